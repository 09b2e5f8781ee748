import { PlanItem } from '@devlm/protocol/tools.ts';
import * as z from 'zod';
import { defineTool, done } from '../tool.ts';

/** The tool `update_plan`: shows the model's plan to the user. */
export const updatePlan = defineTool({
  name: 'update_plan',
  description:
    'Shows the user your plan as a list and replaces the previous plan. Use it for work of several steps, and keep one item active at a time.',
  input: z.strictObject({ items: z.array(z.strictObject(PlanItem.shape)).max(50) }),
  readOnly: true,
  run: async ({ items }) => {
    const finished = items.filter(({ status }) => status === 'done').length;
    return done(`The plan is shown: ${finished} of ${items.length} done.`, { plan: items });
  },
});
