import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { commands, keyStoredContext, pageReadyContext, proposalContext } from '../../extension/src/commands.ts';
import { chatToolNames, modelVendor, participantId } from '../../extension/src/lm/names.ts';
import { bundlePath, collect, textsOf } from '../../scripts/l10n.ts';

const root = join(import.meta.dirname, '../..');
const read = (path: string): unknown => JSON.parse(readFileSync(join(root, path), 'utf8'));

const Command = z.object({ command: z.string(), when: z.string().optional() });
const MenuItem = z.union([Command, z.object({ submenu: z.string(), when: z.string().optional() })]);
const Manifest = z.object({
  icon: z.string(),
  capabilities: z.object({
    untrustedWorkspaces: z.object({ supported: z.literal('limited'), restrictedConfigurations: z.array(z.string()) }),
  }),
  activationEvents: z.array(z.string()),
  extensionKind: z.array(z.string()),
  contributes: z.object({
    commands: z.array(
      z.object({
        command: z.string(),
        title: z.string(),
        category: z.string(),
        icon: z.string().optional(),
        enablement: z.string().optional(),
      }),
    ),
    menus: z.record(z.string(), z.array(MenuItem)),
    submenus: z.array(z.object({ id: z.string(), label: z.string() })),
    keybindings: z.array(Command.extend({ key: z.string(), mac: z.string() })),
    configuration: z.object({ properties: z.record(z.string(), z.object({ scope: z.string() }).loose()) }),
    viewsContainers: z.object({ activitybar: z.array(z.object({ id: z.string(), icon: z.string() })) }),
    languageModelTools: z.array(z.object({ name: z.string(), inputSchema: z.object({ type: z.literal('object') }) })),
    languageModelChatProviders: z.array(z.object({ vendor: z.string() })),
    chatParticipants: z.array(z.object({ id: z.string(), name: z.string() })),
    views: z.object({ devlm: z.array(z.object({ id: z.string(), type: z.string() })) }),
    walkthroughs: z.array(
      z.object({ id: z.string(), steps: z.array(z.object({ media: z.object({ markdown: z.string() }) }).loose()) }),
    ),
  }),
});
const manifest = Manifest.parse(read('package.json'));
const strings = z.record(z.string(), z.string()).parse(read('package.nls.json'));
const { contributes } = manifest;

describe('manifest', () => {
  it('the manifest has the commands of the table, word for word', () => {
    const rows = commands.map(({ id, title, icon, enablement }) => ({
      command: id,
      title: `%command.${id.slice('devlm.'.length)}%`,
      category: 'DevLM',
      ...(icon ? { icon: `$(${icon})` } : {}),
      ...(enablement ? { enablement } : {}),
      text: title,
    }));
    const entries = contributes.commands.map((entry) => ({ ...entry, text: strings[entry.title.replaceAll('%', '')] }));
    expect(entries).toEqual(rows);
  });

  it('menus and keybindings name only existing commands', () => {
    const ids = new Set<string>(commands.map(({ id }) => id));
    const used = [...Object.values(contributes.menus).flat(), ...contributes.keybindings];
    const named = used.flatMap((item) => ('command' in item ? item.command : []));
    expect(named.filter((command) => !ids.has(command))).toEqual([]);
  });

  it('every submenu is shown and has items', () => {
    const shown = Object.values(contributes.menus)
      .flat()
      .flatMap((item) => ('submenu' in item ? item.submenu : []));
    const known = contributes.submenus.map(({ id }) => id);
    expect(shown.sort()).toEqual([...known].sort());
    expect(known.filter((id) => (contributes.menus[id] ?? []).length === 0)).toEqual([]);
  });

  it('every %placeholder% has a text, and every text is used', () => {
    const used = [...JSON.stringify(read('package.json')).matchAll(/"%([\w.]+)%"/g)].map(([, key]) => key);
    expect([...new Set(used)].sort()).toEqual(Object.keys(strings).sort());
  });

  it('when-clauses use only context keys that the extension sets', () => {
    const keys = [...JSON.stringify(contributes).matchAll(/\bdevlm\.(pageReady|keyStored|proposalShown)\b/g)].map(
      ([key]) => key,
    );
    expect(new Set(keys)).toEqual(new Set([pageReadyContext, keyStoredContext, proposalContext]));
  });

  it('the manifest refers only to existing files', () => {
    const files = [
      manifest.icon,
      ...contributes.viewsContainers.activitybar.map(({ icon }) => icon),
      ...contributes.walkthroughs.flatMap(({ steps }) => steps.map(({ media }) => media.markdown)),
    ];
    expect(files.filter((file) => !existsSync(join(root, file)))).toEqual([]);
  });

  it('the extension activates with the first file or a link, and runs where the files are', () => {
    expect(manifest.activationEvents).toEqual(['onLanguage', 'onUri']);
    expect(manifest.extensionKind).toEqual(['workspace']);
  });

  it('the base URL setting accepts only what the server accepts', () => {
    const pattern = new RegExp(String(contributes.configuration.properties['devlm.baseUrl']?.['pattern']), 'u');
    for (const good of ['', 'https://api.anthropic.com', ' http://127.0.0.1:11434/v1/ ']) expect(good).toMatch(pattern);
    for (const bad of ['http://', 'http://my host', 'https:///x', 'ftp://host', 'host'])
      expect(bad).not.toMatch(pattern);
  });

  it('the commands that stop an answer and remove the key are always enabled', () => {
    const always = contributes.commands.filter(({ enablement }) => enablement === undefined);
    expect(always.map(({ command }) => command)).toEqual(expect.arrayContaining(['devlm.stop', 'devlm.clearApiKey']));
    expect(contributes.menus['commandPalette'] ?? []).toEqual([]);
  });

  it('the manifest has the tools and the participant that the extension registers', () => {
    expect(contributes.languageModelTools.map(({ name }) => name)).toEqual(chatToolNames);
    expect(contributes.chatParticipants).toMatchObject([{ id: participantId, name: 'devlm' }]);
    expect(contributes.languageModelChatProviders).toMatchObject([{ vendor: modelVendor }]);
  });

  it('workspace settings cannot start programs or offer tools', () => {
    const { properties } = contributes.configuration;
    expect(['devlm.mcp.servers', 'devlm.tools.offer'].map((name) => properties[name]?.scope)).toEqual([
      'machine',
      'application',
    ]);
  });

  it('workspace settings cannot redirect the API key, the messages or the data', () => {
    const { properties } = contributes.configuration;
    const delicate = ['devlm.baseUrl', 'devlm.dataDir'];
    expect(delicate.map((name) => properties[name]?.scope)).toEqual(['application', 'machine']);
    expect(manifest.capabilities.untrustedWorkspaces.restrictedConfigurations).toEqual(
      expect.arrayContaining(delicate),
    );
  });
});

describe('l10n bundle', () => {
  it('the l10n bundle has exactly the texts of the sources (run `node scripts/l10n.ts`)', async () => {
    expect(JSON.parse(readFileSync(bundlePath, 'utf8'))).toEqual(await collect());
  });

  it('the l10n script reads literals of all kinds, and reports calls that it cannot read', () => {
    const source = `t('It\\'s "so"'); vscode.l10n.t("a {0}", 1); x.t('no'); set('no');\nt(\`whole\`)\nt(\n 'next line');\nt(name);`;
    expect(textsOf(source)).toEqual({ texts: [`It's "so"`, 'a {0}', 'whole', 'next line'], unreadable: ['t(name);'] });
  });
});
