import { homedir } from 'node:os';
import { join } from 'node:path';

/**
 * Returns the user's data folder, which all windows and editors share: the setting, else `DEVLM_DATA_DIR`, else the
 * location that the operating system prescribes. The server has the same default but is always given the folder
 * explicitly.
 */
export function dataFolder(
  setting: string,
  env: NodeJS.ProcessEnv = process.env,
  platform: NodeJS.Platform = process.platform,
  home: string = homedir(),
): string {
  const chosen = setting || env['DEVLM_DATA_DIR'];
  if (chosen) return chosen.startsWith('~') ? join(home, chosen.slice(1)) : chosen;
  if (platform === 'darwin') return join(home, 'Library', 'Application Support', 'DevLM');
  if (platform === 'win32') return join(env['APPDATA'] || join(home, 'AppData', 'Roaming'), 'DevLM');
  return join(env['XDG_DATA_HOME'] || join(home, '.local', 'share'), 'devlm');
}
