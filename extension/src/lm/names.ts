/* Names that the manifest contributes to VS Code's own chat. A unit test checks that they agree. */

/** Names of the tools. */
export const chatToolNames = ['devlm_run_code', 'devlm_web_search', 'devlm_symbol_search'] as const;
/** Name of a tool. */
export type ChatToolName = (typeof chatToolNames)[number];

/** Vendor name of the server's models. */
export const modelVendor = 'devlm';

/** Id of the chat participant. */
export const participantId = 'devlm.chat-participant';
