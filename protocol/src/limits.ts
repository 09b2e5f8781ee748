/**
 * Every bound that more than one process has to agree on, in one place.
 * Sizes are in bytes of UTF-8 unless a name says otherwise; times are in milliseconds.
 */
export const limits = {
  /** Largest request body the gateway reads. The largest image is 5 MB in base64. */
  requestBodyBytes: 8 * 1024 * 1024,
  /** Largest body of a call of the Messages API: as much as the API itself takes. */
  messagesBodyBytes: 32 * 1024 * 1024,
  /** Longest text of one message, in UTF-16 code units. */
  messageChars: 400_000,
  /** Most attachments on one message. */
  attachments: 20,
  /** Longest text of one attached file or selection, in UTF-16 code units. */
  attachmentChars: 200_000,
  /** Largest image, before base64. The Messages API refuses more than 5 MB of base64, a third longer. */
  imageBytes: (5 * 1024 * 1024 * 3) / 4,
  /** Largest text file that a tool reads or writes. */
  fileBytes: 4 * 1024 * 1024,
  /** Longest result of a tool that the model reads, in UTF-16 code units. */
  toolResultChars: 60_000,
  /** Longest repository map. */
  mapTokens: 20_000,
  /** Most tools of other extensions that a window lends. */
  lentTools: 64,
  /** Most pictures that one result of a tool of somebody else's brings. */
  resultImages: 5,
  /** Longest command line, in UTF-16 code units. */
  commandLineChars: 20_000,
  /** Most text that is given to a command's input at once, in UTF-16 code units. */
  commandInputChars: 200_000,
  /** What is kept of a command's output, in UTF-16 code units of both streams together: its beginning and its end. */
  commandHeadChars: 16_000,
  commandTailChars: 36_000,
  /** Commands of one window that run at a time. */
  commands: 20,
  /** Longest wait for news of a command. */
  commandPollMs: 1_000,
  /** Longest title of a conversation, in UTF-16 code units. */
  titleChars: 200,
  /** Longest search text. */
  queryChars: 200,
  /** Most rows in one page of a list. */
  pageRows: 100,
  /** Most turns the chat page keeps in memory at once. */
  pageTurns: 40,
  /** Most messages that may wait behind a running turn in one conversation. */
  queuedTurns: 10,
  /** Longest time text deltas wait to be joined before they are appended. */
  coalesceMs: 40,
  /** A comment is sent on an event stream this often, so that a dead peer is noticed. */
  streamPingMs: 15_000,
  /** A client that has read nothing for this long treats its event stream as dead. */
  streamSilenceMs: 40_000,
  /** Most files of one program. */
  executionFiles: 500,
  /** All files of one program and its standard input together. */
  executionInputBytes: 16 * 1024 * 1024,
  /** Longest argument or variable of a program, in UTF-16 code units. */
  executionArgumentChars: 32_768,
  /** Most that is kept of what one program prints. */
  executionOutputBytes: 16 * 1024 * 1024,
  /** Most files that are kept of one run, and their bytes together. */
  executionArtifacts: 50,
  executionArtifactBytes: 8 * 1024 * 1024,
  /** What a list or a notice brings of a run's output, in UTF-16 code units; the whole is behind its id. */
  executionListChars: 20_000,
} as const;
