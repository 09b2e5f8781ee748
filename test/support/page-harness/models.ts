/** The models in the page's model picker. */
export const models = [
  {
    id: 'claude-sonnet-4-5',
    name: 'Claude Sonnet 4.5',
    contextTokens: 200_000,
    maxOutputTokens: 64_000,
    thinking: true,
  },
  { id: 'claude-opus-4-5', name: 'Claude Opus 4.5', contextTokens: 200_000, maxOutputTokens: 64_000, thinking: true },
  { id: 'claude-3-haiku', name: 'Claude Haiku 3', contextTokens: 200_000, maxOutputTokens: 4_096, thinking: false },
];
