// The works on net/http, as its documentation writes it: a ServeMux, encoding/json, handlers around handlers.
package main

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

const mostBodyBytes = 1 << 20

type status struct {
	Name  string `json:"name"`
	Count int64  `json:"count"`
}

// Pointers tell a field that is missing from one that is zero.
type item struct {
	Title    *string  `json:"title"`
	Quantity *int     `json:"quantity"`
	Price    *float64 `json:"price"`
	Active   *bool    `json:"active"`
	Tags     []string `json:"tags"`
}

type saved struct {
	ID       int      `json:"id"`
	Notify   bool     `json:"notify"`
	Title    string   `json:"title"`
	Quantity int      `json:"quantity"`
	Price    float64  `json:"price"`
	Active   bool     `json:"active"`
	Tags     []string `json:"tags"`
}

type tally struct {
	counted atomic.Int64
	mutex   sync.Mutex
	timed   int64
	spent   time.Duration
}

type works struct {
	count atomic.Int64
	tally tally
}

func (it *item) fits() error {
	switch {
	case it.Title == nil || it.Quantity == nil || it.Price == nil || it.Active == nil || it.Tags == nil:
		return errors.New("a field is missing")
	case utf8.RuneCountInString(*it.Title) < 1 || utf8.RuneCountInString(*it.Title) > 100:
		return errors.New("the title has 1 to 100 characters")
	case *it.Quantity < 1 || *it.Quantity > 1000:
		return errors.New("the quantity is 1 to 1000")
	case *it.Price < 0:
		return errors.New("the price is not negative")
	case len(it.Tags) > 8:
		return errors.New("there are at most 8 tags")
	}
	return nil
}

func reply(w http.ResponseWriter, code int, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		http.Error(w, "{}", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	w.Write(body)
}

func refuse(w http.ResponseWriter, code int, message string) {
	reply(w, code, map[string]string{"error": message})
}

func (ws *works) showStatus(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		refuse(w, http.StatusMethodNotAllowed, "method not allowed")
		return
	}
	reply(w, http.StatusOK, status{"bench", ws.count.Add(1)})
}

func (ws *works) putItem(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPut {
		refuse(w, http.StatusMethodNotAllowed, "method not allowed")
		return
	}
	id, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/api/items/"))
	if err != nil {
		refuse(w, http.StatusUnprocessableEntity, "the id is a number")
		return
	}
	notify := false
	if said := r.URL.Query().Get("notify"); said != "" {
		if notify, err = strconv.ParseBool(said); err != nil {
			refuse(w, http.StatusUnprocessableEntity, "notify is true or false")
			return
		}
	}
	var it item
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, mostBodyBytes)).Decode(&it); err != nil {
		refuse(w, http.StatusUnprocessableEntity, "the body does not fit")
		return
	}
	if err := it.fits(); err != nil {
		refuse(w, http.StatusUnprocessableEntity, err.Error())
		return
	}
	reply(w, http.StatusOK, saved{id, notify, *it.Title, *it.Quantity, *it.Price, *it.Active, it.Tags})
}

func (ws *works) showTally(w http.ResponseWriter, r *http.Request) {
	ws.tally.mutex.Lock()
	timed := ws.tally.timed
	ws.tally.mutex.Unlock()
	reply(w, http.StatusOK, map[string]int64{"counted": ws.tally.counted.Load(), "timed": timed})
}

func (ws *works) timed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		started := time.Now()
		var id [16]byte
		rand.Read(id[:])
		w.Header().Set("X-Request-Id", hex.EncodeToString(id[:]))
		next.ServeHTTP(w, r)
		ws.tally.mutex.Lock()
		ws.tally.timed++
		ws.tally.spent += time.Since(started)
		ws.tally.mutex.Unlock()
	})
}

func (ws *works) counted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws.tally.counted.Add(1)
		next.ServeHTTP(w, r)
	})
}

func checked(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.UserAgent(), "blocked") {
			refuse(w, http.StatusForbidden, "forbidden")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func main() {
	ws := &works{}
	mux := http.NewServeMux()
	mux.HandleFunc("/api/status", ws.showStatus)
	mux.HandleFunc("/api/items/", ws.putItem)
	mux.HandleFunc("/api/tally", ws.showTally)
	var handler http.Handler = mux
	if len(os.Args) > 2 && os.Args[2] == "layered" {
		handler = ws.timed(ws.counted(checked(mux)))
	}
	server := &http.Server{Addr: "127.0.0.1:" + os.Args[1], Handler: handler}
	if err := server.ListenAndServe(); err != nil {
		log.Fatal(err)
	}
}
