/** A kind of credential and the format in which it is written. */
export interface SecretFormat {
  readonly kind: string;
  /** Lower-case strings, one of which occurs in every match. Searched first, because that is fast. */
  readonly hints: readonly string[];
  /** Global pattern. The group `secret` is what gets replaced; without that group, the whole match is. */
  readonly pattern: RegExp;
  /** Minimum Shannon entropy of a real credential, in bits per character. Default: 2.5, which `xxxx` does not reach. */
  readonly entropy?: number;
  /** Global pattern for the parts of the match, each replaced on its own, so that a multi-line key keeps its lines. */
  readonly parts?: RegExp;
}

/**
 * Pattern for the start of a word. The end of an escape sequence (`\n`, `%0A`, terminal colors) is not part of a word.
 */
export const wordStart = String.raw`(?:(?<!\w)|(?<=\\[nrtbfv]|\\u[\dA-Fa-f]{4}|%[\dA-Fa-f]{2}|\x1b\[[\d;]{0,12}m))`;

const format = (kind: string, hints: string, pattern: RegExp, entropy?: number): SecretFormat => ({
  kind,
  hints: hints.toLowerCase().split(' '),
  pattern: new RegExp(
    pattern.source.replace(/^\\b/, () => wordStart),
    pattern.flags,
  ),
  ...(entropy === undefined ? {} : { entropy }),
});

/**
 * Formats of credentials, from the issuers' documentation and the rule sets of gitleaks (MIT) and secretlint (MIT).
 * Formats with a fixed prefix come first. Formats that rely on a name next to the value come last and require more
 * entropy.
 */
export const secretFormats: readonly SecretFormat[] = [
  {
    ...format(
      'private-key',
      'private',
      // The end marker may be missing.
      /-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----(?:[\s\S]{1,16000}?-----END |[\s\S]{1,16000})/g,
    ),
    // Long runs of base64 and the short run before the end marker. Line ends may be escaped as \n.
    parts:
      /(?<=^|[^A-Za-z0-9+/=\\]|\\[nr])(?<!DEVLM_SECRET_)(?:[A-Za-z0-9+/]{20,}={0,2}|=?[A-Za-z0-9+/]{2,19}={0,2}(?=(?:\s|\\[nr]){1,4}-----END ))/g,
  },
  format('age', 'age-secret-key', /AGE-SECRET-KEY-1[A-Z0-9]{58}/g),
  format('anthropic', 'sk-ant-', /\bsk-ant-[A-Za-z0-9_-]{20,200}/g),
  format('openrouter', 'sk-or-', /\bsk-or-(?:v1-)?[A-Za-z0-9]{32,128}/g),
  format('openai', 'sk-', /\bsk-(?:proj-|svcacct-|admin-|None-)[A-Za-z0-9_-]{20,250}/g, 3),
  format('openai', 'sk-', /\bsk-[A-Za-z0-9]{20,60}(?![A-Za-z0-9-])/g, 3.5),
  format('github', 'ghp_ gho_ ghu_ ghs_ ghr_', /\bgh[pousr]_[A-Za-z0-9]{36,255}\b/g),
  format('github', 'github_pat_', /\bgithub_pat_[A-Za-z0-9_]{40,255}\b/g),
  format('gitlab', 'gl', /\bgl(?:pat|ptt|dt|rt|soat|cbt|ft|imt|agent|oas)-[A-Za-z0-9_.-]{20,80}/g),
  format('aws', 'akia asia abia acca', /\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b/g, 3),
  format(
    'aws',
    'aws',
    /\baws_?(?:secret)?_?(?:access)?_?(?:key|token)\w{0,10}["']?\s{0,4}[:=]\s{0,4}["']?(?<secret>[A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])/gi,
    4,
  ),
  format('google', 'aiza', /\bAIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])/g, 3),
  format('google', 'ya29.', /\bya29\.[A-Za-z0-9_-]{30,500}/g),
  format('google', 'gocspx-', /\bGOCSPX-[A-Za-z0-9_-]{28}/g),
  format(
    'azure',
    'accountkey sharedaccesskey',
    /\b(?:AccountKey|SharedAccessKey)=(?<secret>[A-Za-z0-9+/]{42,88}={0,2})/gi,
    3.5,
  ),
  format('azure', 'q~', /\b[A-Za-z0-9_~.]{3}\dQ~[A-Za-z0-9_~.-]{31,34}(?![A-Za-z0-9_~.-])/g, 3.5),
  format('slack', 'xox xapp-', /\b(?:xox[abeoprs](?:\.xox[bp])?-|xapp-)[A-Za-z0-9-]{10,250}/g),
  format(
    'slack',
    'hooks.slack.com',
    /hooks\.slack\.com\/(?:services|workflows|triggers)\/(?<secret>[A-Za-z0-9+/]{30,100})/g,
  ),
  format('discord', 'discord', /discord(?:app)?\.com\/api\/webhooks\/\d{17,20}\/(?<secret>[A-Za-z0-9_-]{60,80})/g),
  format('discord', '.', /\b[MNO][A-Za-z\d_-]{23,27}\.[A-Za-z\d_-]{6}\.[A-Za-z\d_-]{27,40}(?![A-Za-z\d_.-])/g, 4),
  format('telegram', ':aa', /\b\d{8,10}:AA[A-Za-z0-9_-]{32,33}(?![A-Za-z0-9_-])/g, 3),
  format('stripe', 'sk_ rk_', /\b[sr]k_(?:live|test|prod)_[A-Za-z0-9]{16,250}/g),
  format('webhook', 'whsec_', /\bwhsec_[A-Za-z0-9+/]{24,80}={0,2}/g),
  format('square', 'sq0', /\bsq0(?:atp|csp|idp)-[A-Za-z0-9_-]{22,60}/g),
  format('shopify', 'shp', /\bshp(?:at|ca|pa|ss)_[A-Fa-f0-9]{32}\b/g),
  format('npm', 'npm_', /\bnpm_[A-Za-z0-9]{36}\b/g, 3),
  format('npm', '_authtoken _password _auth', /:_(?:authToken|password|auth)\s*=\s*(?<secret>[^\s"'${}]{8,500})/gi),
  format('pypi', 'pypi-', /\bpypi-AgE[A-Za-z0-9_-]{50,1000}/g),
  format('rubygems', 'rubygems_', /\brubygems_[a-f0-9]{48}\b/g),
  format('crates', 'cio', /\bcio[A-Za-z0-9]{32}\b/g, 4),
  format('docker', 'dckr_', /\bdckr_(?:pat|oat)_[A-Za-z0-9_-]{20,60}/g),
  format('hugging-face', 'hf_', /\bhf_[A-Za-z]{30,40}\b/g, 3.5),
  format('replicate', 'r8_', /\br8_[A-Za-z0-9]{37}\b/g, 3),
  format('groq', 'gsk_', /\bgsk_[A-Za-z0-9]{48,60}\b/g, 3),
  format('xai', 'xai-', /\bxai-[A-Za-z0-9]{60,90}\b/g, 3),
  format('perplexity', 'pplx-', /\bpplx-[A-Za-z0-9]{40,60}\b/g, 3),
  format('tavily', 'tvly-', /\btvly-(?:dev-|prod-)?[A-Za-z0-9-]{20,60}/g, 3),
  format('langsmith', 'lsv2_', /\blsv2_(?:pt|sk)_[a-f0-9]{32}_[a-f0-9]{10}\b/g),
  format('sendgrid', 'sg.', /\bSG\.[A-Za-z0-9_-]{20,24}\.[A-Za-z0-9_-]{39,50}/g),
  format('mailgun', 'key-', /\bkey-[a-f0-9]{32}\b/g, 3),
  format('mailchimp', '-us', /\b[a-f0-9]{32}-us\d{1,2}\b/g, 3),
  format('brevo', 'xkeysib-', /\bxkeysib-[a-f0-9]{64}-[A-Za-z0-9]{16}\b/g),
  format('twilio', 'sk', /\bSK[a-f0-9]{32}\b/g, 3),
  format('digitalocean', 'do', /\bdo[por]_v1_[a-f0-9]{64}\b/g),
  format('databricks', 'dapi', /\bdapi[a-f0-9]{32}(?:-\d)?\b/g, 3),
  format('hashicorp', 'hvs. hvb. hvr.', /\bhv[sbr]\.[A-Za-z0-9_-]{24,300}/g, 3),
  format('hashicorp', '.atlasv1.', /\b[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{60,70}/g),
  format('doppler', 'dp.', /\bdp\.(?:pt|st|ct|sa|scim|audit)\.[A-Za-z0-9_.-]{40,80}/g),
  format('pulumi', 'pul-', /\bpul-[a-f0-9]{40}\b/g),
  format('supabase', 'sbp_ sb_secret_', /\b(?:sbp_[a-f0-9]{40}|sb_secret_[A-Za-z0-9_-]{20,60})\b/g),
  format('planetscale', 'pscale_', /\bpscale_(?:tkn|pw|oauth)_[A-Za-z0-9_.=-]{32,64}/g),
  format('netlify', 'nfp_', /\bnf[pcouk]_[A-Za-z0-9_-]{36,40}\b/g, 3),
  format('heroku', 'hrku-', /\bHRKU-[A-Za-z0-9_-]{30,64}/g),
  format('fly', 'flyv1 fm1 fm2', /\b(?:FlyV1 )?fm[12][ar]?_[A-Za-z0-9+/=,_-]{100,1500}/g),
  format('tailscale', 'tskey-', /\btskey-(?:api|auth|client|scim|webhook)-[A-Za-z0-9-]{20,80}/g),
  format('cloudflare', 'v1.0-', /\bv1\.0-[a-f0-9]{24}-[a-f0-9]{146}\b/g),
  format('linear', 'lin_', /\blin_(?:api|oauth)_[A-Za-z0-9]{40,64}\b/g),
  format('notion', 'ntn_', /\bntn_[A-Za-z0-9]{40,50}\b/g, 3),
  format('figma', 'figd_', /\bfig[dor]_[A-Za-z0-9_-]{40,60}/g),
  format('airtable', 'pat', /\bpat[A-Za-z0-9]{14}\.[a-f0-9]{64}\b/g),
  format('atlassian', 'atatt3 atctt3', /\bAT[AC]TT3[A-Za-z0-9_=+/-]{60,250}/g),
  format('bitbucket', 'atbb', /\bATBB[A-Za-z0-9]{28,40}\b/g, 3),
  format('postman', 'pmak-', /\bPMAK-[a-f0-9]{24}-[a-f0-9]{34}\b/g),
  format('grafana', 'glsa_ glc_', /\b(?:glsa_[A-Za-z0-9]{32}_[A-Fa-f0-9]{8}|glc_[A-Za-z0-9+/]{32,400}={0,2})/g),
  format('new-relic', 'nra nri', /\bNR(?:AK|II|JS|AA)-[A-Za-z0-9_-]{19,42}\b/g, 3),
  format('sentry', 'sntry', /\bsntry[su]_[A-Za-z0-9+/=_]{60,300}/g),
  format('dynatrace', 'dt0', /\bdt0[a-z]\d{2}\.[A-Z0-9]{24}\.[A-Z0-9]{64}\b/g),
  format('buildkite', 'bk', /\bbk(?:ua|ct|at)_[A-Za-z0-9]{40,64}\b/g),
  format('contentful', 'cfpat-', /\bCFPAT-[A-Za-z0-9_-]{40,50}/g),
  format(
    'onepassword',
    'ops_ a3-',
    /\b(?:ops_eyJ[A-Za-z0-9+/=_-]{200,1500}|A3-[A-Z0-9]{6}-[A-Z0-9]{6,11}(?:-[A-Z0-9]{5}){3,4})\b/g,
  ),
  format('jwt', 'eyj', /\beyJ[A-Za-z0-9_-]{10,4000}\.eyJ[A-Za-z0-9_-]{10,8000}\.[A-Za-z0-9_-]{16,2000}/g),
  format(
    'url',
    '://',
    /\b[a-z][a-z0-9+.-]{1,30}:\/\/[^\s/:@"'<>{}$]{0,100}:(?<secret>[^\s/@"'<>{}$]{4,200})@[\w.[\]-]/gi,
    1.5,
  ),
  // A netrc entry may also be spread over several lines.
  format('netrc', 'password', /^[ \t]{1,8}password[ \t]{1,4}(?<secret>(?=\S*[\d\W_])\S{6,200})[ \t]*$/gm, 2),
  format(
    'netrc',
    'machine',
    /\bmachine\s{1,4}\S{1,200}\s{1,4}login\s{1,4}\S{1,200}\s{1,4}password\s{1,4}(?<secret>\S{4,200})/g,
    2,
  ),
  format(
    'curl',
    'curl',
    /\bcurl\b[^\n]{0,300}?\s(?:-u|--user)[ =]?["']?[^\s:"'$]{1,80}:(?<secret>[^\s"'${}]{4,200})/g,
    2,
  ),
  format(
    'header',
    'authorization',
    /\bauthorization["']?\s{0,4}[:=]\s{0,4}["']?(?:bearer|basic|token)\s{1,4}(?<secret>[A-Za-z0-9._~+/=-]{12,4000})/gi,
    2.8,
  ),
  format(
    'assigned',
    'pass pwd secret token key credential',
    /(?<!public[_-]?\w{0,3}[_-]?)(?:password|passwd|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|auth[_-]?key|private[_-]?key|encryption[_-]?key|signing[_-]?key|credentials?)(?:_?key)?["'\]]{0,2}\s{0,4}(?::=|=>|[:=])\s{0,4}(?<quote>["'`]?)(?<secret>[A-Za-z0-9_\-.~+/=!@#%^&*]{10,200})(?:\k<quote>)(?=[\s,;)}\]]|$)/gi,
    3.2,
  ),
];
