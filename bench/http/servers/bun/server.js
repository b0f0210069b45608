// The works on Bun.serve, as its documentation writes it: routes, Response.json, inputs checked by hand.

const [port, kind] = process.argv.slice(2);
const tally = { counted: 0, timed: 0, seconds: 0 };
let count = 0;

const refuse = (status, message) => Response.json({ error: message }, { status });

function fault(item) {
  if (item === null || typeof item !== "object" || Array.isArray(item)) return "the body is an object";
  const { title, quantity, price, active, tags } = item;
  if (typeof title !== "string" || title.length < 1 || title.length > 100) return "the title has 1 to 100 characters";
  if (!Number.isInteger(quantity) || quantity < 1 || quantity > 1000) return "the quantity is 1 to 1000";
  if (typeof price !== "number" || price < 0) return "the price is not negative";
  if (typeof active !== "boolean") return "active is true or false";
  if (!Array.isArray(tags) || tags.length > 8 || !tags.every((tag) => typeof tag === "string"))
    return "there are at most 8 tags";
  return null;
}

const FLAGS = { "": false, "?notify=true": true, "?notify=false": false };

async function putItem(request) {
  const id = Number(request.params.id);
  if (!Number.isInteger(id)) return refuse(422, "the id is a number");
  const query = request.url.indexOf("?");
  const notify = FLAGS[query < 0 ? "" : request.url.slice(query)];
  if (notify === undefined) return refuse(422, "notify is true or false");
  let item;
  try {
    item = await request.json();
  } catch {
    return refuse(422, "the body is JSON");
  }
  const wrong = fault(item);
  if (wrong !== null) return refuse(422, wrong);
  const { title, quantity, price, active, tags } = item;
  return Response.json({ id, notify, title, quantity, price, active, tags });
}

// A middleware takes what answers and gives what answers.
const timed = (next) => async (request) => {
  const started = performance.now();
  const response = await next(request);
  response.headers.set("x-request-id", crypto.randomUUID());
  tally.timed += 1;
  tally.seconds += (performance.now() - started) / 1000;
  return response;
};

const counted = (next) => (request) => {
  tally.counted += 1;
  return next(request);
};

const checked = (next) => (request) =>
  request.headers.get("user-agent")?.startsWith("blocked") ? refuse(403, "forbidden") : next(request);

const layers = kind === "layered" ? (answer) => timed(counted(checked(answer))) : (answer) => answer;

Bun.serve({
  hostname: "127.0.0.1",
  port: Number(port),
  routes: {
    "/api/status": { GET: layers(() => Response.json({ name: "bench", count: ++count })) },
    "/api/items/:id": { PUT: layers(putItem) },
    "/api/tally": { GET: layers(() => Response.json({ counted: tally.counted, timed: tally.timed })) },
  },
  fetch: () => refuse(404, "not found"),
});
