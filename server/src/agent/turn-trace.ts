import type { EventBody } from '@devlm/protocol/events.ts';
import type { Logger } from 'pino';

/**
 * Returns a function that logs the events of a turn at level `debug`, so that a turn can be followed in the log. Texts of
 * the user, the model and tools are not logged.
 */
export function turnTracer(logger: Logger, conversationId: string): (event: EventBody) => void {
  return (event) => {
    if (!logger.isLevelEnabled('debug')) return;
    const facts = factsOf(event);
    if (facts) logger.debug({ conversationId, ...idsOf(event), ...facts }, event.type);
  };
}

function idsOf(event: EventBody): Record<string, string> {
  return {
    ...('turnId' in event && event.turnId !== null ? { turnId: event.turnId } : {}),
    ...('stepId' in event ? { stepId: event.stepId } : {}),
    ...('callId' in event ? { callId: event.callId } : {}),
  };
}

/** Returns the fields of an event that are logged in addition to its ids; undefined if the event is not logged. */
function factsOf(event: EventBody): Record<string, unknown> | undefined {
  switch (event.type) {
    case 'turn.started':
      return { attempt: event.attempt };
    case 'turn.ended':
      return { outcome: event.outcome, code: event.problem?.code };
    case 'step.started':
      return { model: event.model, purpose: event.purpose };
    case 'step.retrying':
      return { attempt: event.attempt, delayMs: event.delayMs, code: event.problem.code };
    case 'step.abandoned':
      return { code: event.problem.code, costUsd: event.costUsd };
    case 'step.ended': {
      const { stopReason, model, usage, costUsd, instance, requestId } = event;
      return { stopReason, model, usage, costUsd, instance, providerRequestId: requestId };
    }
    case 'block.started':
      return event.tool ? { kind: event.kind, tool: event.tool.name, callId: event.tool.callId } : undefined;
    case 'ask.opened':
      return { ask: event.ask.kind };
    case 'tool.started':
      return { executionId: event.executionId, changes: event.changes?.length };
    case 'tool.ended':
      return { ok: event.ok };
    case 'ask.answered':
    case 'context.compacted':
    case 'budget.warned':
    case 'turn.stopping':
      return {};
    default:
      return undefined;
  }
}
