// Sockets on Bun.serve, as its documentation writes them: an upgrade in fetch, and publish to a topic.

const [port] = process.argv.slice(2);
const REFUSED = '{"id":null,"error":{"type":"INVALID_INPUT","message":"The frame does not fit."}}';

function look(text) {
  let asked;
  try {
    asked = JSON.parse(text);
  } catch {
    return null;
  }
  if (asked === null || typeof asked !== "object" || !Number.isInteger(asked.id)) return null;
  if (asked.subscribe !== undefined) return asked.subscribe === "room" ? asked : null;
  const { action, params } = asked;
  if (action !== "echo:say" && action !== "room:say") return null;
  if (params === null || typeof params !== "object") return null;
  if (typeof params.text !== "string" || params.text.length < 1 || params.text.length > 10_000) return null;
  if (params.n !== undefined && !Number.isInteger(params.n)) return null;
  return asked;
}

process.on("SIGUSR1", () => Bun.gc(true));

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: Number(port),
  fetch: (request, server) => (server.upgrade(request) ? undefined : new Response("no socket", { status: 426 })),
  websocket: {
    perMessageDeflate: false,
    message(ws, text) {
      const asked = look(text);
      if (asked === null) return ws.send(REFUSED);
      const { id, action, params, subscribe } = asked;
      if (subscribe !== undefined) {
        ws.subscribe("room");
        return ws.send(JSON.stringify({ id, result: null }));
      }
      if (action === "echo:say") return ws.send(JSON.stringify({ id, result: { text: params.text } }));
      ws.send(JSON.stringify({ id, result: null }));
      const data = { text: params.text, n: params.n ?? 0 };
      return server.publish("room", JSON.stringify({ topic: "room", event: "Said", data }));
    },
  },
});
