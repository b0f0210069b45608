// Sockets on gorilla/websocket, as its chat example writes them: a hub, and for each client one goroutine that reads
// and one that writes what is in its channel. A client whose channel is full is let go.
package main

import (
	"encoding/json"
	"log"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"
)

const (
	pongWait   = 60 * time.Second
	pingPeriod = pongWait * 9 / 10
	writeWait  = 10 * time.Second
	mostBytes  = 64 * 1024
)

type params struct {
	Text string `json:"text"`
	N    int    `json:"n"`
}

type asked struct {
	ID        *int    `json:"id"`
	Action    string  `json:"action"`
	Params    *params `json:"params"`
	Subscribe string  `json:"subscribe"`
}

type echo struct {
	Text string `json:"text"`
}

type answer struct {
	ID     int   `json:"id"`
	Result *echo `json:"result"`
}

type event struct {
	Topic string `json:"topic"`
	Event string `json:"event"`
	Data  params `json:"data"`
}

type client struct {
	conn *websocket.Conn
	send chan *websocket.PreparedMessage
}

type hub struct {
	mutex    sync.Mutex
	watching map[*client]bool
}

var upgrader = websocket.Upgrader{ReadBufferSize: 1024, WriteBufferSize: 1024}

var refused = []byte(`{"id":null,"error":{"type":"INVALID_INPUT","message":"The frame does not fit."}}`)

func (a *asked) fits() bool {
	if a.ID == nil {
		return false
	}
	if a.Subscribe != "" {
		return a.Subscribe == "room"
	}
	if (a.Action != "echo:say" && a.Action != "room:say") || a.Params == nil {
		return false
	}
	size := utf8.RuneCountInString(a.Params.Text)
	return size >= 1 && size <= 10000
}

func (h *hub) show(message []byte) {
	prepared, err := websocket.NewPreparedMessage(websocket.TextMessage, message)
	if err != nil {
		return
	}
	h.mutex.Lock()
	defer h.mutex.Unlock()
	for c := range h.watching {
		select {
		case c.send <- prepared:
		default:
			delete(h.watching, c)
			close(c.send)
		}
	}
}

func (h *hub) leave(c *client) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if h.watching[c] {
		delete(h.watching, c)
		close(c.send)
	}
}

func (c *client) reply(message []byte) {
	prepared, err := websocket.NewPreparedMessage(websocket.TextMessage, message)
	if err == nil {
		c.send <- prepared
	}
}

func (c *client) readPump(h *hub) {
	defer func() {
		h.leave(c)
		c.conn.Close()
	}()
	c.conn.SetReadLimit(mostBytes)
	c.conn.SetReadDeadline(time.Now().Add(pongWait))
	c.conn.SetPongHandler(func(string) error { c.conn.SetReadDeadline(time.Now().Add(pongWait)); return nil })
	for {
		_, data, err := c.conn.ReadMessage()
		if err != nil {
			return
		}
		var a asked
		if json.Unmarshal(data, &a) != nil || !a.fits() {
			c.reply(refused)
			continue
		}
		said := answer{ID: *a.ID}
		if a.Subscribe == "" && a.Action == "echo:say" {
			said.Result = &echo{a.Params.Text}
		}
		body, err := json.Marshal(said)
		if err != nil {
			return
		}
		c.reply(body)
		if a.Subscribe != "" {
			h.mutex.Lock()
			h.watching[c] = true
			h.mutex.Unlock()
		} else if a.Action == "room:say" {
			if body, err = json.Marshal(event{"room", "Said", *a.Params}); err == nil {
				h.show(body)
			}
		}
	}
}

func (c *client) writePump() {
	ticker := time.NewTicker(pingPeriod)
	defer func() {
		ticker.Stop()
		c.conn.Close()
	}()
	for {
		select {
		case message, ok := <-c.send:
			c.conn.SetWriteDeadline(time.Now().Add(writeWait))
			if !ok {
				c.conn.WriteMessage(websocket.CloseMessage, []byte{})
				return
			}
			if err := c.conn.WritePreparedMessage(message); err != nil {
				return
			}
		case <-ticker.C:
			c.conn.SetWriteDeadline(time.Now().Add(writeWait))
			if err := c.conn.WriteMessage(websocket.PingMessage, nil); err != nil {
				return
			}
		}
	}
}

func main() {
	h := &hub{watching: map[*client]bool{}}
	collect := make(chan os.Signal, 1)
	signal.Notify(collect, syscall.SIGUSR1)
	go func() {
		for range collect {
			runtime.GC()
		}
	}()
	http.HandleFunc("/ws", func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		c := &client{conn: conn, send: make(chan *websocket.PreparedMessage, 256)}
		go c.writePump()
		go c.readPump(h)
	})
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Args[1], nil))
}
