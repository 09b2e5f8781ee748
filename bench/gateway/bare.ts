import { Agent, createServer, request as send } from 'node:http';
import { pipeline } from 'node:stream';

/* Minimal gateway, which forwards every request to the address in its argument. */

const upstream = new URL(process.argv[2] ?? '');
const agent = new Agent({ keepAlive: true, maxSockets: 512 });

const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  const outgoing = send(new URL(request.url ?? '/', upstream), {
    method: request.method,
    headers: request.headers,
    agent,
  });
  outgoing.on('response', (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    pipeline(answer, response, () => undefined);
  });
  outgoing.on('error', () => response.destroy());
  pipeline(request, outgoing, () => undefined);
});
server.listen(0, '127.0.0.1', 4096, () => {
  const address = server.address();
  console.log(`http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`);
});
