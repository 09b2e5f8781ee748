/*
 * The registry of error codes. A `ProblemError` with a code that is not in it does not compile. `docs/errors.md` is
 * generated from it (`node scripts/error-codes.ts`).
 */

/** What an error code means. */
export interface ErrorCodeInfo {
  /** HTTP status that usually comes with it. */
  readonly status: number;
  /** What happened. */
  readonly meaning: string;
  /** What to do. */
  readonly action: string;
}

const info = (status: number, meaning: string, action: string): ErrorCodeInfo => ({ status, meaning, action });

/** All error codes by name. Codes are stable: they are never renamed, and never get another meaning. */
export const errorCodes = {
  bad_answer: info(
    502,
    'The configured address answered with something that is not a response of the Messages API.',
    'Check the base URL in the settings.',
  ),
  bad_base_url: info(
    400,
    'The base URL in the settings is not a URL with http:// or https:// and a host.',
    'Correct the base URL in the settings.',
  ),
  bad_encoding: info(400, 'The body of the request is not UTF-8.', 'Send the body as UTF-8.'),
  bad_json: info(400, 'The body of the request is not valid JSON, or is nested too deeply.', 'Correct the body.'),
  bad_key: info(401, 'The provider refused the API key.', 'Set another API key.'),
  bad_reply: info(
    500,
    'The server sent the chat view a response that it cannot read.',
    'Make sure that extension and server are up to date.',
  ),
  bad_request: info(
    400,
    'The request, or the request that DevLM sent to the provider, is malformed.',
    'Correct the request. If the provider refused it, try again or use another model.',
  ),
  bad_response: info(
    502,
    'The server sent a response that this version of the extension cannot read.',
    'Reload the window so that extension and server are of the same version.',
  ),
  bad_rules: info(400, 'The setting `devlm.permissions` cannot be read.', 'Correct the setting.'),
  body_too_large: info(413, 'The body of the request exceeds the limit of its route.', 'Send less.'),
  budget_exceeded: info(
    402,
    'The next model call would exceed a budget.',
    'Wait until the budget resets, or change its limit with `devlm budget` or in Settings.',
  ),
  busy: info(409, 'The conversation is in use by a running turn.', 'Wait until the turn has ended, or stop it.'),
  changed_later: info(
    409,
    'A later answer changed the same file again.',
    'Review the file at that answer, or restore the files to before this message.',
  ),
  closing: info(503, 'The server or the editor window is shutting down.', 'Connect again after a moment.'),
  config_invalid: info(
    400,
    'A setting, an environment variable or the configuration file has a value that cannot be used.',
    'Correct the value that the message names, then restart the server.',
  ),
  conflict: info(
    409,
    'The request does not fit the current state, or a resource with this id exists with other content.',
    'Load the current state, then decide again.',
  ),
  data_key_damaged: info(
    500,
    'The key that encrypts stored secrets is missing or cannot be read.',
    'Restore the key from a backup.',
  ),
  editor_gone: info(
    503,
    'No editor window that shares this project is connected.',
    'Open the project in an editor with DevLM.',
  ),
  editor_unsupported: info(501, 'The connected editor extension is too old for the request.', 'Update the extension.'),
  empty_message: info(422, 'The message has neither text nor attachments.', 'Write a message.'),
  event_gap: info(502, 'Events of the conversation are missing in the stream.', 'None: the events are loaded again.'),
  events_ahead: info(
    410,
    'The client has seen events that the server does not have, for example after a backup was restored.',
    'Load the conversation again from the beginning.',
  ),
  execution_lost: info(
    410,
    'The server ended while the program was running, and the result is unknown.',
    'Run the program again.',
  ),
  fetch_disallowed: info(
    403,
    'The robots.txt of the site does not permit the page to be fetched.',
    'Use another page.',
  ),
  fetch_failed: info(502, 'A web page could not be fetched.', 'Check the address, then try again.'),
  fetch_refused: info(
    403,
    'DevLM does not fetch from this address, for example because it is private.',
    'Use a public http or https address.',
  ),
  fetch_timeout: info(504, 'A web page did not arrive in time.', 'Try again later.'),
  fetch_too_large: info(413, 'A web page is too large.', 'Use another page.'),
  fetch_unreadable: info(415, 'The address returned something that is not text.', 'Use another page.'),
  file_changed: info(409, 'The file changed since it was read.', 'Read the file again.'),
  file_dirty: info(409, 'The file has unsaved changes in the editor.', 'Save the file first.'),
  file_is_link: info(409, 'The path is a symbolic link.', 'Use the file that the link points to.'),
  file_not_found: info(400, 'The file does not exist.', 'Check the path.'),
  file_read_only: info(403, 'The file is read-only.', 'Make the file writable.'),
  file_system: info(500, 'The file system reported an error.', 'See the message.'),
  file_too_large: info(413, 'The file or text is too large.', 'Use less.'),
  files_changed: info(
    409,
    'Files differ from what the decision was based on.',
    'Look at the difference, then decide again.',
  ),
  forbidden: info(
    403,
    'The API key does not permit the request.',
    'Use another API key, or have its permissions extended.',
  ),
  forbidden_host: info(
    403,
    'The Host header names another host than the server.',
    'Connect by the address of the server.',
  ),
  forbidden_origin: info(
    403,
    'The request comes from a web page of another origin.',
    'Send the request from a program, not from a web page.',
  ),
  forbidden_scope: info(
    403,
    'The token does not permit the route.',
    'Use a token with the scope that the route requires.',
  ),
  half_applied: info(
    500,
    'A change failed in the middle, and some files could not be restored.',
    'Check the files that the message names.',
  ),
  identity_stale: info(
    503,
    'The server cannot check tokens because it has not reached its database for too long.',
    'Try again after a moment.',
  ),
  input_closed: info(409, 'The command no longer accepts input.', 'None.'),
  internal: info(500, 'An unexpected error occurred, which is a bug.', 'Report it with the request id and the log.'),
  invalid_input: info(
    422,
    'The request does not match the schema of its route.',
    'Correct the field that the message names.',
  ),
  invalid_path: info(
    400,
    'The path is not a valid path in the workspace.',
    'Use a path relative to the workspace, with forward slashes.',
  ),
  invalid_pattern: info(400, 'The search pattern is not a valid regular expression or glob.', 'Correct the pattern.'),
  invalid_request: info(400, 'The request contradicts itself.', 'Correct the request as the message says.'),
  lease_lost: info(409, 'Another server has taken over the conversation.', 'None: the other server continues.'),
  link_refused: info(
    400,
    'The chat view asked to open a link that is neither a web link nor a file in the workspace.',
    'None.',
  ),
  mcp_failed: info(
    502,
    'An MCP server failed or cannot be started.',
    'Check the configuration and the log of the MCP server.',
  ),
  method_not_allowed: info(405, 'The route does not support the HTTP method.', 'Use a method of the Allow header.'),
  missing_key: info(401, 'There is no API key for the model provider.', 'Set an API key.'),
  model_not_found: info(404, 'The provider does not know the model.', 'Choose another model.'),
  network_not_cut: info(
    409,
    'This machine cannot run programs without network access.',
    'Start Docker, or accept that programs can use the network.',
  ),
  network_refused: info(
    403,
    'The program was not run because its network access cannot be blocked and was not accepted.',
    'Start Docker, then run the program again.',
  ),
  no_credit: info(402, 'The account at the provider has no credit left.', 'Add credit, then try again.'),
  no_local_folder: info(
    409,
    'The workspace is not a folder on disk, so commands cannot run in it.',
    'Open a local folder.',
  ),
  no_reply: info(500, 'The editor did not answer the chat view in time.', 'Try again.'),
  no_rule: info(400, 'The question offers no rule that could be added.', 'Answer the question itself.'),
  no_summary: info(502, 'The model wrote no summary of the conversation.', 'Try again.'),
  no_workspace: info(409, 'The conversation belongs to no project.', 'Use a conversation of a project.'),
  not_a_file: info(422, 'The path is not a regular file.', 'Use the path of a regular file.'),
  not_an_image: info(
    422,
    'An attachment is not an image of a supported type.',
    'Attach a PNG, JPEG, GIF or WebP image.',
  ),
  not_applied: info(500, 'The editor could not change the files. Nothing was changed.', 'Try again.'),
  not_devlm: info(502, 'The address is not that of a DevLM server.', 'Check the address.'),
  not_editable: info(400, 'The active editor cannot be changed.', 'Open a file that can be changed.'),
  not_empty: info(409, 'The folder is not empty.', 'Delete the files in it first.'),
  not_encodable: info(
    422,
    'The encoding of the file cannot represent the new text.',
    'Use other characters, or convert the file.',
  ),
  not_found: info(
    404,
    'The resource does not exist, was deleted, or belongs to another user.',
    'Check the id in the request.',
  ),
  not_permitted: info(
    403,
    'The operating system does not permit access to the file.',
    'Change the permissions of the file.',
  ),
  nothing_to_compact: info(409, 'The conversation has nothing before this that could be summarized.', 'None.'),
  offline: info(
    503,
    'The model provider cannot be reached.',
    'Check the network connection and the base URL, then try again.',
  ),
  open_network_forbidden: info(
    403,
    'A request on a server for several users accepted open network access for programs.',
    'Ask the administrator to start the server with Docker.',
  ),
  outside_workspace: info(403, 'The path leads outside the workspace.', 'Use a path in the workspace.'),
  overloaded: info(529, 'The provider is overloaded.', 'Try again after a moment.'),
  page_busy: info(500, 'The chat view waits for too many responses.', 'Try again after a moment.'),
  page_error: info(
    500,
    'An unexpected error occurred in the chat view, which is a bug.',
    'Reload the chat view, and report the error with the log.',
  ),
  page_failed: info(502, 'A web page could not be attached.', 'Check the address, or attach the text itself.'),
  page_unreadable: info(422, 'The web page has no readable text.', 'Use another page.'),
  paused: info(409, 'The user did not let the answer continue.', 'Send a message to continue.'),
  policy: info(400, 'The model declined to answer.', 'Start a new conversation, or ask in another way.'),
  provider_error: info(502, 'The model provider failed.', 'Try again.'),
  queue_full: info(
    429,
    'Too many messages of the conversation wait for an answer.',
    'Wait until some of them are answered.',
  ),
  rate_limited: info(
    429,
    'A rate limit of the server or the provider was reached.',
    'Try again after the time in Retry-After.',
  ),
  review_stale: info(
    409,
    'There is a newer decision about the files than the review that the client loaded.',
    'Load the review, then decide again.',
  ),
  sandbox_busy: info(429, 'Too many programs wait for the sandbox.', 'Try again after a moment.'),
  search_failed: info(502, 'The web search failed.', 'Try again later.'),
  search_key: info(401, 'The search engine refused its key.', 'Check DEVLM_SEARCH_KEY.'),
  search_limited: info(429, 'The search engine permits no more searches for now.', 'Try again later.'),
  search_timeout: info(
    504,
    'The search in the workspace took too long.',
    'Use a simpler pattern, or search in fewer files.',
  ),
  secret_unknown: info(
    409,
    'A text contains the placeholder of a credential that the server does not know any more.',
    'Read the file with the credential again.',
  ),
  secret_unusable: info(
    409,
    'A credential cannot be used at this place in a command or an address.',
    'Pass the credential in another way, as the message says.',
  ),
  server_newer: info(409, 'The server is newer than the extension.', 'Reload the window, or update the extension.'),
  server_older: info(409, 'The server is older than the extension.', 'Ask the administrator to update the server.'),
  server_older_busy: info(
    409,
    'An older server is still working for another window.',
    'Wait until it is done, or restart it.',
  ),
  server_restarted: info(503, 'The server ended while it was answering.', 'None: the model is asked again.'),
  server_start_failed: info(500, 'The server exited during startup.', 'Check the log, then restart the server.'),
  server_start_timeout: info(504, 'The server did not start in time.', 'Restart the server, or check the log.'),
  server_timeout: info(504, 'The server did not respond in time.', 'Try again, or restart the server.'),
  server_unreachable: info(
    503,
    'The server cannot be reached.',
    'Check the network connection. A server on this machine restarts automatically.',
  ),
  server_unresponsive: info(504, 'The server process runs but does not respond.', 'Restart the server.'),
  store_busy: info(503, 'Another process holds the storage.', 'Try again after a moment.'),
  store_damaged: info(500, 'The storage is damaged.', 'Restore a backup, as docs/operations.md describes.'),
  store_full: info(507, 'The disk is full.', 'Free some space, then try again.'),
  store_newer: info(409, 'The storage was written by a newer version.', 'Update DevLM.'),
  store_unavailable: info(503, 'The storage cannot be reached.', 'Check the database and the log.'),
  stream_cut: info(502, 'The answer was cut off before its end.', 'Try again.'),
  stream_silent: info(504, 'The server stopped sending data on an open stream.', 'None: the extension connects again.'),
  stream_stalled: info(504, 'The model stopped sending data in the middle of an answer.', 'Try again.'),
  token_keys_damaged: info(
    500,
    'The keys that sign tokens cannot be read.',
    'Restore them from a backup, or rotate them with `devlm token rotate-key --forget`.',
  ),
  token_missing: info(401, 'The remote server requires a token.', 'Enter a token for the server.'),
  token_refused: info(401, 'The remote server refused the token.', 'Ask the administrator for a new token.'),
  too_large: info(413, 'The request to the model is too large.', 'Start a new conversation, or attach less.'),
  too_long: info(
    400,
    'The conversation does not fit the context window of the model.',
    'Start a new conversation, or compact this one.',
  ),
  too_many_attachments: info(422, 'The message has too many attachments.', 'Attach fewer files.'),
  too_many_commands: info(429, 'Too many commands are running in the window.', 'Stop one of them.'),
  too_many_files: info(422, 'The decision concerns too many files at once.', 'Decide about fewer files.'),
  too_many_requests: info(429, 'The chat view sent too many requests at once.', 'Try again after a moment.'),
  too_many_rules: info(400, 'The setting `devlm.permissions` has too many rules.', 'Remove rules from the setting.'),
  too_many_runs: info(429, 'Too many programs are running in the window.', 'Wait until one has ended, or stop one.'),
  too_many_steps: info(409, 'The answer was stopped because it took too many steps.', 'Send a message to continue.'),
  tool_failed: info(502, 'A tool of another extension failed.', 'Check that extension.'),
  unauthorized: info(401, 'The request has no valid token.', 'Send a valid token in the Authorization header.'),
  unknown_command: info(400, 'The command line names a command that does not exist.', 'See `devlm --help`.'),
  unsupported_media_type: info(415, 'The media type of the body is not supported.', 'Send application/json.'),
  usage: info(400, 'The command line is not valid.', 'See `devlm --help`.'),
  workspace_restricted: info(
    403,
    'The folder is not trusted, so its files can be read but not changed.',
    'Trust the folder.',
  ),
  workspace_untrusted: info(
    403,
    'The folder is not trusted, so programs do not run in it.',
    'Trust the folder with "Manage Workspace Trust".',
  ),
} satisfies Record<string, ErrorCodeInfo>;

/** A code of the registry. */
export type ErrorCode = keyof typeof errorCodes;
