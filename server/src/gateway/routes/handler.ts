import type { RouteChecked, RouteName, RouteOutput, routes } from '@devlm/protocol/routes.ts';
import type * as z from 'zod';
import type { CsvText } from '../../backend/csv.ts';
import type { Identity } from '../identity/tokens.ts';
import type { StreamMessage } from '../sse.ts';

/** Context of a request, passed to its handler with the validated input. */
export interface CallContext {
  /** The authenticated sender of the request. */
  readonly identity: Identity;
  /** Aborts when the client disconnects or the server closes. */
  readonly signal: AbortSignal;
  /** The `Last-Event-ID` header as a number, if present. */
  readonly lastEventId: number | undefined;
  /** Whether the client accepts `text/event-stream`. */
  readonly wantsStream: boolean;
  /** Whether the client accepts `text/csv`. */
  readonly wantsCsv: boolean;
}

/** What the handler of a route returns: a stream, a value, or nothing. */
type HandlerResult<N extends RouteName> = (typeof routes)[N] extends { stream: true }
  ? Promise<AsyncIterable<readonly StreamMessage[]>>
  : (typeof routes)[N] extends { event: z.ZodType }
    ? Promise<RouteOutput<N> | AsyncIterable<readonly StreamMessage[]>>
    : (typeof routes)[N] extends { csv: true }
      ? Promise<RouteOutput<N> | CsvText>
      : undefined extends RouteOutput<N>
        ? Promise<void>
        : Promise<RouteOutput<N>>;

/** A handler for each route of the protocol's table. The compiler names the routes that have none. */
export type Handlers = {
  readonly [N in RouteName]: (input: RouteChecked<N>, context: CallContext) => HandlerResult<N>;
};

/** The group of a route, which its name begins with: `turns` for `turns.create`. */
type GroupOf<N extends RouteName> = N extends `${infer G}.${string}` ? G : never;

/** The handlers of all routes of some groups: what each file of this folder exports. */
export type HandlersOf<G extends GroupOf<RouteName>> = Pick<Handlers, Extract<RouteName, `${G}.${string}`>>;
