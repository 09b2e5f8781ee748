// biome-ignore-all lint/suspicious/noTemplateCurlyInString: shell and settings syntax
/** Random-looking but fixed text, so that no credential, not even an invented one, is written in this file. */
export function letters(length: number, alphabet: string, seed = 7): string {
  let state = seed;
  let text = '';
  while (text.length < length) {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    text += alphabet[Math.floor((state / 2_147_483_648) * alphabet.length)];
  }
  return text;
}
const lower = 'abcdefghijklmnopqrstuvwxyz';
/** Seed of the next text, so that each is different. */
let seed = 7;
const an = (n: number) => letters(n, `${lower}${lower.toUpperCase()}0123456789`, seed++);
const hex = (n: number) => letters(n, '0123456789abcdef', seed++);
const upper = (n: number) => letters(n, `${lower.toUpperCase()}234567`);
const digits = (n: number) => letters(n, '0123456789', 3);
const join = (...parts: string[]) => parts.join('');

/** A text, and the part of it that must be hidden. */
export const secretTexts: readonly (readonly [name: string, text: string, secret: string])[] = (
  [
    ['anthropic', '', join('sk-ant-', 'api03-', an(93)), ''],
    ['openai project', '', join('sk-', 'proj-', an(80)), ''],
    ['openai old', 'key: ', join('sk-', an(48)), ''],
    ['openrouter', '', join('sk-or-', 'v1-', hex(64)), ''],
    ['github classic', 'git clone https://', join('ghp_', an(36)), '@github.com/x/y'],
    ['github app', '', join('ghs_', an(36)), ''],
    ['github fine-grained', '"', join('github_pat_', an(22), '_', an(59)), '"'],
    ['gitlab', 'curl -H "PRIVATE-TOKEN: ', join('glpat-', an(20)), '"'],
    ['aws key id', '', join('AKIA', upper(16)), ''],
    ['aws secret', 'aws_secret_access_key = ', an(40), ''],
    ['google api', '', join('AIza', an(35)), ''],
    ['google oauth', '', join('ya29.', an(60)), ''],
    ['google client', '', join('GOCSPX-', an(28)), ''],
    ['azure storage', 'AccountName=x;AccountKey=', join(an(86), '=='), ';EndpointSuffix=core.windows.net'],
    ['azure client', '', join(an(3), '8Q~', an(34)), ''],
    ['slack bot', '', join('xoxb-', digits(12), '-', digits(12), '-', an(24)), ''],
    ['slack webhook', 'https://hooks.slack.com/services/', join('T', upper(8), '/B', upper(8), '/', an(24)), ''],
    ['discord webhook', 'https://discord.com/api/webhooks/123123123123123123/', an(68), ''],
    ['telegram', '', join(digits(10), ':AA', an(33)), ''],
    ['stripe', '', join('sk_live_', an(24)), ''],
    ['stripe test', '', join('rk_test_', an(24)), ''],
    ['webhook', '', join('whsec_', an(32)), ''],
    ['square', '', join('sq0atp-', an(22)), ''],
    ['shopify', '', join('shpat_', hex(32)), ''],
    ['npm', '', join('npm_', an(36)), ''],
    ['npmrc', '//registry.example.com/:_authToken=', an(36), ''],
    ['pypi', '', join('pypi-', 'AgEIcHlwaS5vcmc', an(70)), ''],
    ['rubygems', '', join('rubygems_', hex(48)), ''],
    ['docker', '', join('dckr_pat_', an(27)), ''],
    ['hugging face', '', join('hf_', letters(34, lower + lower.toUpperCase())), ''],
    ['replicate', '', join('r8_', an(37)), ''],
    ['groq', '', join('gsk_', an(52)), ''],
    ['tavily', '', join('tvly-', 'dev-', an(32)), ''],
    ['sendgrid', '', join('SG.', an(22), '.', an(43)), ''],
    ['mailgun', '', join('key-', hex(32)), ''],
    ['mailchimp', '', join(hex(32), '-us12'), ''],
    ['twilio', '', join('SK', hex(32)), ''],
    ['digitalocean', '', join('dop_v1_', hex(64)), ''],
    ['databricks', '', join('dapi', hex(32)), ''],
    ['vault', '', join('hvs.', an(90)), ''],
    ['terraform', '', join(an(14), '.atlasv1.', an(64)), ''],
    ['doppler', '', join('dp.pt.', an(43)), ''],
    ['supabase', '', join('sbp_', hex(40)), ''],
    ['linear', '', join('lin_api_', an(40)), ''],
    ['tailscale', '', join('tskey-', 'auth-', an(12), '-', an(32)), ''],
    ['postman', '', join('PMAK-', hex(24), '-', hex(34)), ''],
    ['grafana', '', join('glsa_', an(32), '_', hex(8)), ''],
    ['atlassian', '', join('ATATT3', an(180)), ''],
    ['sentry', '', join('sntrys_', an(90)), ''],
    ['dynatrace', '', join('dt0c01.', upper(24), '.', upper(64)), ''],
    ['jwt', 'token=', join('eyJ', an(20), '.eyJ', an(60), '.', an(43)), ''],
    ['database url', 'postgres://app:', 'hunter2hunter2', '@db.example.com/app'],
    ['url without user', 'redis://:', 's3cr3tpassw0rd', '@cache:6379'],
    ['bearer', 'Authorization: Bearer ', an(40), ''],
    ['basic', "'authorization': 'Basic ", `${an(24)}=='`.slice(0, -1), "'"],
    ['netrc', 'machine example.com\n  login me\n  password ', 'correct-horse-battery', '\n'],
    ['curl', 'curl -s -u me:', 'correct-horse-stapler', ' https://example.com'],
    ['assigned', 'const apiKey = "', an(32), '";'],
    ['yaml', 'password: ', join('Tr0ub4dor', '&3x!'), '\n'],
    ['json', '{"client_secret": "', an(40), '"}'],
    ['python', "SECRET_KEY = '", an(50), "'"],
    [
      'private key',
      'a\n',
      join('-----BEGIN RSA PRIVATE', ' KEY-----\n', an(64), '\n', an(64), '\n-----END RSA PRIVATE KEY-----'),
      '\nb',
    ],
    [
      'ssh key',
      '',
      join('-----BEGIN OPENSSH PRIVATE', ' KEY-----\n', an(70), '\n-----END OPENSSH PRIVATE KEY-----'),
      '',
    ],
    ['age', '', join('AGE-SECRET-KEY-1', upper(58)), ''],
  ] as const
).map(([name, before, secret, after]) => [name, before + secret + after, secret]);

/** Texts that must stay unchanged. */
export const plainTexts: readonly string[] = [
  `commit ${hex(40)}`,
  `sha256:${hex(64)}`,
  `"integrity": "sha512-${an(86)}=="`,
  `integrity sha1-${an(27)}=`,
  '550e8400-e29b-41d4-a716-446655440000',
  'id: 550e8400-e29b-41d4-a716-446655440000',
  'token: 550e8400-e29b-41d4-a716-446655440000',
  `etag: "${hex(32)}"`,
  `https://example.com/${hex(40)}/x.tar.gz`,
  `data:image/png;base64,iVBORw0KGgo${an(200)}`,
  'curl -u "$USER:$PASSWORD" https://example.com',
  'The machine asks for a login and a password before it starts.',
  'const password = process.env.DB_PASSWORD;',
  'password: ${DB_PASSWORD}',
  'password = os.environ["PASSWORD1234"]',
  'API_KEY=your-api-key-here-123',
  'api_key: <your api key>',
  'token = getTokenFromStorage(user1)',
  'const tokenKind = SyntaxKind.StringLiteral2;',
  'export const secretFormats: readonly Format2[] = []',
  'password: string;',
  'if (token === undefined) return;',
  'key: "primary-button-large"',
  'AKIAIOSFODNN7EXAMPLE',
  'sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx',
  'sk_live_xxxxxxxxxxxxxxxxxxxxxxxx',
  'ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx',
  'postgres://user:password@localhost/db',
  'postgres://user@localhost/db',
  'https://example.com:8080/path@2x.png',
  'git@github.com:owner/repo.git',
  'max_tokens: 4096',
  'tokens: 123456 / 200000',
  'The secret: practice every day, 10 minutes.',
  'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKtestkeytestkeytestkeytestkeytestkeytestk me',
  '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----',
  '-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----',
  'sk-learn-is-a-library',
  'npm_config_registry=https://registry.example.com',
  'class="sk-circle-fade-dot sk-chase"',
  'hf_hub_download(repo_id="a/b")',
  'version: 1.2.3-beta.4+build.5',
  `go.sum h1:${an(43)}=`,
  '#1a2b3c4d',
  '2026-11-22T21:19:37.123Z',
  '192.168.1.1:8080',
  'publicKeyToken=b77a5c561934e089',
  'primary_key: users.id',
  'token_path: /var/run/secrets/token1',
  'i18n key = "errors.auth.password1.tooShort"',
  'Authorization: Bearer ${token}',
  'Authorization: Bearer <token>',
  'monkey = 1234567890123456',
];
