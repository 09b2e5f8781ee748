/** A kind of credential and how it is written. */
export interface SecretFormat {
  readonly kind: string;
  /** Any of these is in every match; looked for first, since that is quick. In lower case. */
  readonly hints: readonly string[];
  /** Global. The group `secret` is what is replaced; without one the whole match is. */
  readonly pattern: RegExp;
  /** Bits of Shannon entropy per character that a real one has at least; default 2.5, which `xxxx` lacks. */
  readonly entropy?: number;
  /** Global. What of the match is replaced, each for itself: a key of several lines keeps its lines. */
  readonly parts?: RegExp;
}

/** The beginning of a word; what an escape sequence ends with is no part of one: `\n`, `%0A`, the colours of a terminal. */
export const wordStart = String.raw`(?:(?<!\w)|(?<=\\[nrtbfv]|\\u[\dA-Fa-f]{4}|%[\dA-Fa-f]{2}|\x1b\[[\d;]{0,12}m))`;

const of = (kind: string, hints: string, pattern: RegExp, entropy?: number): SecretFormat => ({
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
 * Those with a fixed prefix come first; those that need a name beside them come last, and ask for more entropy.
 */
export const secretFormats: readonly SecretFormat[] = [
  {
    ...of(
      'private-key',
      'private',
      // Also one whose end is missing.
      /-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----(?:[\s\S]{1,16000}?-----END |[\s\S]{1,16000})/g,
    ),
    // Long runs of base64, and the short one before the end. Line ends may be written as \n.
    parts:
      /(?<=^|[^A-Za-z0-9+/=\\]|\\[nr])(?<!DEVLM_SECRET_)(?:[A-Za-z0-9+/]{20,}={0,2}|=?[A-Za-z0-9+/]{2,19}={0,2}(?=(?:\s|\\[nr]){1,4}-----END ))/g,
  },
  of('age', 'age-secret-key', /AGE-SECRET-KEY-1[A-Z0-9]{58}/g),
  of('anthropic', 'sk-ant-', /\bsk-ant-[A-Za-z0-9_-]{20,200}/g),
  of('openrouter', 'sk-or-', /\bsk-or-(?:v1-)?[A-Za-z0-9]{32,128}/g),
  of('openai', 'sk-', /\bsk-(?:proj-|svcacct-|admin-|None-)[A-Za-z0-9_-]{20,250}/g, 3),
  of('openai', 'sk-', /\bsk-[A-Za-z0-9]{20,60}(?![A-Za-z0-9-])/g, 3.5),
  of('github', 'ghp_ gho_ ghu_ ghs_ ghr_', /\bgh[pousr]_[A-Za-z0-9]{36,255}\b/g),
  of('github', 'github_pat_', /\bgithub_pat_[A-Za-z0-9_]{40,255}\b/g),
  of('gitlab', 'gl', /\bgl(?:pat|ptt|dt|rt|soat|cbt|ft|imt|agent|oas)-[A-Za-z0-9_.-]{20,80}/g),
  of('aws', 'akia asia abia acca', /\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b/g, 3),
  of(
    'aws',
    'aws',
    /\baws_?(?:secret)?_?(?:access)?_?(?:key|token)\w{0,10}["']?\s{0,4}[:=]\s{0,4}["']?(?<secret>[A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])/gi,
    4,
  ),
  of('google', 'aiza', /\bAIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])/g, 3),
  of('google', 'ya29.', /\bya29\.[A-Za-z0-9_-]{30,500}/g),
  of('google', 'gocspx-', /\bGOCSPX-[A-Za-z0-9_-]{28}/g),
  of(
    'azure',
    'accountkey sharedaccesskey',
    /\b(?:AccountKey|SharedAccessKey)=(?<secret>[A-Za-z0-9+/]{42,88}={0,2})/gi,
    3.5,
  ),
  of('azure', 'q~', /\b[A-Za-z0-9_~.]{3}\dQ~[A-Za-z0-9_~.-]{31,34}(?![A-Za-z0-9_~.-])/g, 3.5),
  of('slack', 'xox xapp-', /\b(?:xox[abeoprs](?:\.xox[bp])?-|xapp-)[A-Za-z0-9-]{10,250}/g),
  of(
    'slack',
    'hooks.slack.com',
    /hooks\.slack\.com\/(?:services|workflows|triggers)\/(?<secret>[A-Za-z0-9+/]{30,100})/g,
  ),
  of('discord', 'discord', /discord(?:app)?\.com\/api\/webhooks\/\d{17,20}\/(?<secret>[A-Za-z0-9_-]{60,80})/g),
  of('discord', '.', /\b[MNO][A-Za-z\d_-]{23,27}\.[A-Za-z\d_-]{6}\.[A-Za-z\d_-]{27,40}(?![A-Za-z\d_.-])/g, 4),
  of('telegram', ':aa', /\b\d{8,10}:AA[A-Za-z0-9_-]{32,33}(?![A-Za-z0-9_-])/g, 3),
  of('stripe', 'sk_ rk_', /\b[sr]k_(?:live|test|prod)_[A-Za-z0-9]{16,250}/g),
  of('webhook', 'whsec_', /\bwhsec_[A-Za-z0-9+/]{24,80}={0,2}/g),
  of('square', 'sq0', /\bsq0(?:atp|csp|idp)-[A-Za-z0-9_-]{22,60}/g),
  of('shopify', 'shp', /\bshp(?:at|ca|pa|ss)_[A-Fa-f0-9]{32}\b/g),
  of('npm', 'npm_', /\bnpm_[A-Za-z0-9]{36}\b/g, 3),
  of('npm', '_authtoken _password _auth', /:_(?:authToken|password|auth)\s*=\s*(?<secret>[^\s"'${}]{8,500})/gi),
  of('pypi', 'pypi-', /\bpypi-AgE[A-Za-z0-9_-]{50,1000}/g),
  of('rubygems', 'rubygems_', /\brubygems_[a-f0-9]{48}\b/g),
  of('crates', 'cio', /\bcio[A-Za-z0-9]{32}\b/g, 4),
  of('docker', 'dckr_', /\bdckr_(?:pat|oat)_[A-Za-z0-9_-]{20,60}/g),
  of('hugging-face', 'hf_', /\bhf_[A-Za-z]{30,40}\b/g, 3.5),
  of('replicate', 'r8_', /\br8_[A-Za-z0-9]{37}\b/g, 3),
  of('groq', 'gsk_', /\bgsk_[A-Za-z0-9]{48,60}\b/g, 3),
  of('xai', 'xai-', /\bxai-[A-Za-z0-9]{60,90}\b/g, 3),
  of('perplexity', 'pplx-', /\bpplx-[A-Za-z0-9]{40,60}\b/g, 3),
  of('tavily', 'tvly-', /\btvly-(?:dev-|prod-)?[A-Za-z0-9-]{20,60}/g, 3),
  of('langsmith', 'lsv2_', /\blsv2_(?:pt|sk)_[a-f0-9]{32}_[a-f0-9]{10}\b/g),
  of('sendgrid', 'sg.', /\bSG\.[A-Za-z0-9_-]{20,24}\.[A-Za-z0-9_-]{39,50}/g),
  of('mailgun', 'key-', /\bkey-[a-f0-9]{32}\b/g, 3),
  of('mailchimp', '-us', /\b[a-f0-9]{32}-us\d{1,2}\b/g, 3),
  of('brevo', 'xkeysib-', /\bxkeysib-[a-f0-9]{64}-[A-Za-z0-9]{16}\b/g),
  of('twilio', 'sk', /\bSK[a-f0-9]{32}\b/g, 3),
  of('digitalocean', 'do', /\bdo[por]_v1_[a-f0-9]{64}\b/g),
  of('databricks', 'dapi', /\bdapi[a-f0-9]{32}(?:-\d)?\b/g, 3),
  of('hashicorp', 'hvs. hvb. hvr.', /\bhv[sbr]\.[A-Za-z0-9_-]{24,300}/g, 3),
  of('hashicorp', '.atlasv1.', /\b[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{60,70}/g),
  of('doppler', 'dp.', /\bdp\.(?:pt|st|ct|sa|scim|audit)\.[A-Za-z0-9_.-]{40,80}/g),
  of('pulumi', 'pul-', /\bpul-[a-f0-9]{40}\b/g),
  of('supabase', 'sbp_ sb_secret_', /\b(?:sbp_[a-f0-9]{40}|sb_secret_[A-Za-z0-9_-]{20,60})\b/g),
  of('planetscale', 'pscale_', /\bpscale_(?:tkn|pw|oauth)_[A-Za-z0-9_.=-]{32,64}/g),
  of('netlify', 'nfp_', /\bnf[pcouk]_[A-Za-z0-9_-]{36,40}\b/g, 3),
  of('heroku', 'hrku-', /\bHRKU-[A-Za-z0-9_-]{30,64}/g),
  of('fly', 'flyv1 fm1 fm2', /\b(?:FlyV1 )?fm[12][ar]?_[A-Za-z0-9+/=,_-]{100,1500}/g),
  of('tailscale', 'tskey-', /\btskey-(?:api|auth|client|scim|webhook)-[A-Za-z0-9-]{20,80}/g),
  of('cloudflare', 'v1.0-', /\bv1\.0-[a-f0-9]{24}-[a-f0-9]{146}\b/g),
  of('linear', 'lin_', /\blin_(?:api|oauth)_[A-Za-z0-9]{40,64}\b/g),
  of('notion', 'ntn_', /\bntn_[A-Za-z0-9]{40,50}\b/g, 3),
  of('figma', 'figd_', /\bfig[dor]_[A-Za-z0-9_-]{40,60}/g),
  of('airtable', 'pat', /\bpat[A-Za-z0-9]{14}\.[a-f0-9]{64}\b/g),
  of('atlassian', 'atatt3 atctt3', /\bAT[AC]TT3[A-Za-z0-9_=+/-]{60,250}/g),
  of('bitbucket', 'atbb', /\bATBB[A-Za-z0-9]{28,40}\b/g, 3),
  of('postman', 'pmak-', /\bPMAK-[a-f0-9]{24}-[a-f0-9]{34}\b/g),
  of('grafana', 'glsa_ glc_', /\b(?:glsa_[A-Za-z0-9]{32}_[A-Fa-f0-9]{8}|glc_[A-Za-z0-9+/]{32,400}={0,2})/g),
  of('new-relic', 'nra nri', /\bNR(?:AK|II|JS|AA)-[A-Za-z0-9_-]{19,42}\b/g, 3),
  of('sentry', 'sntry', /\bsntry[su]_[A-Za-z0-9+/=_]{60,300}/g),
  of('dynatrace', 'dt0', /\bdt0[a-z]\d{2}\.[A-Z0-9]{24}\.[A-Z0-9]{64}\b/g),
  of('buildkite', 'bk', /\bbk(?:ua|ct|at)_[A-Za-z0-9]{40,64}\b/g),
  of('contentful', 'cfpat-', /\bCFPAT-[A-Za-z0-9_-]{40,50}/g),
  of(
    'onepassword',
    'ops_ a3-',
    /\b(?:ops_eyJ[A-Za-z0-9+/=_-]{200,1500}|A3-[A-Z0-9]{6}-[A-Z0-9]{6,11}(?:-[A-Z0-9]{5}){3,4})\b/g,
  ),
  of('jwt', 'eyj', /\beyJ[A-Za-z0-9_-]{10,4000}\.eyJ[A-Za-z0-9_-]{10,8000}\.[A-Za-z0-9_-]{16,2000}/g),
  of(
    'url',
    '://',
    /\b[a-z][a-z0-9+.-]{1,30}:\/\/[^\s/:@"'<>{}$]{0,100}:(?<secret>[^\s/@"'<>{}$]{4,200})@[\w.[\]-]/gi,
    1.5,
  ),
  // The lines of one come one after the other.
  of('netrc', 'password', /^[ \t]{1,8}password[ \t]{1,4}(?<secret>(?=\S*[\d\W_])\S{6,200})[ \t]*$/gm, 2),
  of(
    'netrc',
    'machine',
    /\bmachine\s{1,4}\S{1,200}\s{1,4}login\s{1,4}\S{1,200}\s{1,4}password\s{1,4}(?<secret>\S{4,200})/g,
    2,
  ),
  of('curl', 'curl', /\bcurl\b[^\n]{0,300}?\s(?:-u|--user)[ =]?["']?[^\s:"'$]{1,80}:(?<secret>[^\s"'${}]{4,200})/g, 2),
  of(
    'header',
    'authorization',
    /\bauthorization["']?\s{0,4}[:=]\s{0,4}["']?(?:bearer|basic|token)\s{1,4}(?<secret>[A-Za-z0-9._~+/=-]{12,4000})/gi,
    2.8,
  ),
  of(
    'assigned',
    'pass pwd secret token key credential',
    /(?<!public[_-]?\w{0,3}[_-]?)(?:password|passwd|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|auth[_-]?key|private[_-]?key|encryption[_-]?key|signing[_-]?key|credentials?)(?:_?key)?["'\]]{0,2}\s{0,4}(?::=|=>|[:=])\s{0,4}(?<quote>["'`]?)(?<secret>[A-Za-z0-9_\-.~+/=!@#%^&*]{10,200})(?:\k<quote>)(?=[\s,;)}\]]|$)/gi,
    3.2,
  ),
];
