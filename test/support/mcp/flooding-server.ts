import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import * as z from 'zod';

const Request = z.object({ id: z.number().optional(), method: z.string() });

/** An MCP server over HTTP that answers a call with 50 MB, as JSON or as one event of a stream. */
export async function startFlooding(type: 'application/json' | 'text/event-stream') {
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (request.method !== 'POST') return void response.writeHead(405).end();
    const { id, method } = Request.parse(JSON.parse(await text(request)));
    const results: Record<string, object> = {
      initialize: {
        protocolVersion: '2025-06-18',
        capabilities: { tools: {} },
        serverInfo: { name: 'flooding', version: '1' },
      },
      'tools/list': { tools: [{ name: 'do', inputSchema: { type: 'object' } }] },
      ping: {},
    };
    if (id === undefined) return void response.writeHead(202).end();
    if (method !== 'tools/call') {
      response.setHeader('content-type', 'application/json');
      return void response.end(JSON.stringify({ jsonrpc: '2.0', id, result: results[method] }));
    }
    response.writeHead(200, { 'content-type': type });
    const pieces = function* () {
      if (type === 'text/event-stream') yield 'data: ';
      for (let sent = 0; sent < 50; sent++) yield 'x'.repeat(2 ** 20);
    };
    await pipeline(pieces, response);
  };
  const server = createServer((request, response) => {
    // The client has stopped reading.
    answer(request, response).catch(() => response.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return {
    url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/mcp`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
