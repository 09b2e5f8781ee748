/**
 * Limits that more than one process has to agree on. Sizes are in bytes of UTF-8 and times in milliseconds, unless a
 * name says otherwise.
 */
export const limits = {
  /** Maximum request body that the gateway reads. The largest image takes 5 MB in base64. */
  requestBodyBytes: 8 * 1024 * 1024,
  /** Maximum body of a call to the Messages API: the maximum of the API itself. */
  messagesBodyBytes: 32 * 1024 * 1024,
  /** Maximum length of the text of one message, in UTF-16 code units. */
  messageChars: 400_000,
  /** Maximum number of attachments of one message. */
  attachments: 20,
  /** Maximum length of the text of one attached file or selection, in UTF-16 code units. */
  attachmentChars: 200_000,
  /** Maximum size of an image before base64. The Messages API refuses more than 5 MB of base64, a third longer. */
  imageBytes: (5 * 1024 * 1024 * 3) / 4,
  /** Maximum size of a text file that a tool reads or writes. */
  fileBytes: 4 * 1024 * 1024,
  /** Maximum length of a tool result that the model reads, in UTF-16 code units. */
  toolResultChars: 60_000,
  /** Maximum size of the repository map, in tokens. */
  mapTokens: 20_000,
  /** Maximum number of tools of other extensions that a window shares. */
  sharedTools: 64,
  /** Maximum number of images in one result of a third-party tool. */
  resultImages: 5,
  /** Maximum length of a command line, in UTF-16 code units. */
  commandLineChars: 20_000,
  /** Maximum amount of text that is written to a command's input at once, in UTF-16 code units. */
  commandInputChars: 200_000,
  /** Length of the beginning of a command's output that is kept, in UTF-16 code units of both streams together. */
  commandHeadChars: 16_000,
  /** Length of the end of a command's output that is kept, in UTF-16 code units of both streams together. */
  commandTailChars: 36_000,
  /** Maximum number of commands that run in one window at the same time. */
  commands: 20,
  /** Maximum time that one poll waits for new output of a command. */
  commandPollMs: 1_000,
  /** Maximum length of the title of a conversation, in UTF-16 code units. */
  titleChars: 200,
  /** Maximum length of a search text, in UTF-16 code units. */
  queryChars: 200,
  /** Maximum number of rows in one page of a list. */
  pageRows: 100,
  /** Maximum number of turns that the chat page keeps in memory. */
  pageTurns: 40,
  /** Maximum number of messages that wait behind a running turn in one conversation. */
  queuedTurns: 10,
  /** Maximum time that text deltas wait to be joined before they are appended. */
  coalesceMs: 40,
  /** Interval of comments on an event stream, by which a dead peer is noticed. */
  streamPingMs: 15_000,
  /** Time without data after which a client treats its event stream as dead. */
  streamSilenceMs: 40_000,
  /** Maximum number of files of one program. */
  executionFiles: 500,
  /** Maximum size of all files of one program and its standard input together. */
  executionInputBytes: 16 * 1024 * 1024,
  /** Maximum length of an argument or variable of a program, in UTF-16 code units. */
  executionArgumentChars: 32_768,
  /** Maximum amount of a program's output that is kept. */
  executionOutputBytes: 16 * 1024 * 1024,
  /** Maximum number of files that are kept of one run. */
  executionArtifacts: 50,
  /** Maximum size of these files together. */
  executionArtifactBytes: 8 * 1024 * 1024,
  /** Length of a run's output in lists and notices, in UTF-16 code units. The whole output is available by its id. */
  executionListChars: 20_000,
} as const;
