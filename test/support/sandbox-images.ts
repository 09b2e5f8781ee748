import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { chmod, cp, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Language } from '@devlm/protocol/execution.ts';
import { root } from '../../scripts/build.ts';
import { onPath } from '../../scripts/machine.ts';
import { mustRun, run } from '../../scripts/run.ts';
import { installOnce } from '../../scripts/vscode-install.ts';
import { dockerClient } from './docker-engine.ts';

/*
 * Small language images, which are created offline from packages of Debian or Ubuntu, because a test machine may not
 * reach an image registry. A root folder is filled with the packages that a language needs, without installing them,
 * and the engine imports it as an image with one layer.
 */

interface Recipe {
  readonly packages: readonly string[];
  /** A shell and the usual programs from busybox, instead of the distribution's own. */
  readonly busybox: boolean;
  readonly env?: Readonly<Record<string, string>>;
  /** Replaces the set-up scripts of the packages. */
  readonly finish?: (folder: string) => Promise<void>;
}

const recipes = {
  python: {
    packages: ['python3', 'python3-pytest', 'perl-base'],
    busybox: true,
    async finish(folder) {
      // Needs root. Without it the interpreter only starts more slowly.
      const compile = ['-m', 'compileall', '-q', '-j2', '--invalidation-mode', 'unchecked-hash', '/usr/lib'];
      await run('chroot', [folder, '/usr/bin/python3', ...compile]);
    },
  },
  node: {
    packages: ['libstdc++6', 'perl-base'],
    busybox: true,
    finish: (folder) => cp(join(root, 'node_modules/node/bin/node'), join(folder, 'usr/bin/node')),
  },
  ruby: { packages: ['ruby', 'ruby-minitest', 'perl-base'], busybox: true },
  go: { packages: ['golang-go', 'perl-base'], busybox: true },
  bash: { packages: ['bash', 'dash', 'coreutils', 'tar', 'findutils', 'grep', 'sed'], busybox: false },
  c: {
    packages: ['tcc', 'libc6-dev'],
    busybox: true,
    finish: (folder) => symlink('tcc', join(folder, 'usr/bin/cc')),
  },
} satisfies Record<string, Recipe>;
type RecipeName = keyof typeof recipes;

/** Recipes by language. Tests use the other languages to check the message about a missing image. */
const recipeOf: Partial<Record<Language, RecipeName>> = {
  python: 'python',
  javascript: 'node',
  typescript: 'node',
  ruby: 'ruby',
  go: 'go',
  bash: 'bash',
  c: 'c',
};

/** Files that no program needs, which make up most of the size. */
const leftOut = [
  ...['doc', 'man', 'locale', 'lintian', 'info', 'bug', 'ri', 'gcc', 'perl'].map((name) => `./usr/share/${name}*`),
  ...['*/gconv/*', '*/testdata/*', '*_test.go', './usr/share/go-*/test/*', './usr/share/go-*/api/*'],
  ...['./usr/lib/go-*/pkg/linux_*_*', '*/ensurepip/*', '*/lib2to3/*', '*/idlelib/*', '*/gems/*/test/*'],
];
/** Packages that are only dependencies of set-up scripts, which do not run here. */
const withoutFiles = /^(dpkg|debconf|perl-base|openssl|ca-certificates|rake)_/;

const commands =
  'sh ls cat sleep timeout head tail env echo id mount wget nc ps kill dd mkdir rm stat tar cp mv ln mkfifo mknod dirname basename chmod chown touch find grep sed awk wc sort tr true false seq yes nohup setsid ping nslookup df mktemp readlink od printf test umount unshare ulimit which xargs sha256sum comm'.split(
    ' ',
  );

/**
 * Makes sure that an engine has the image of a language. Returns its name, or null if there is no recipe or this is not
 * Debian or Ubuntu. The image is created once and kept in the folder for test data.
 */
export async function importSandboxImage(host: string, language: Language): Promise<string | null> {
  const name = recipeOf[language];
  if (name === undefined || onPath('apt-get') === null || onPath('dpkg-deb') === null) return null;
  const recipe: Recipe = recipes[name];
  const node: unknown = JSON.parse(await readFile(join(root, 'node_modules/node/package.json'), 'utf8')).version;
  const text = JSON.stringify([build.toString(), recipe, String(recipe.finish), leftOut, commands, node, process.arch]);
  const hash = createHash('sha256').update(text).digest('hex').slice(0, 12);
  const image = `devlm-test-${name}:${hash}`;
  const docker = dockerClient(host);
  const isThere = await docker
    .getImage(image)
    .inspect()
    .then(() => true)
    .catch(() => false);
  if (isThere) return image;
  const folder = await installOnce(`sandbox-image-${name}-${hash}`, (temporary) => build(name, recipe, temporary));
  const env = { PATH: '/usr/local/bin:/usr/bin:/bin', LANG: 'C.UTF-8', HOME: '/tmp', ...recipe.env };
  const changes = Object.entries(env).map(([key, value]) => `ENV ${key}=${value}`);
  const [repo, tag] = image.split(':');
  const answer = await docker.importImage(createReadStream(join(folder, 'root.tar')), { repo, tag, changes });
  let said = '';
  await pipeline(
    answer,
    new Writable({
      write(chunk, _encoding, done) {
        said += String(chunk);
        done();
      },
    }),
  );
  if (said.includes('"error"')) throw new Error(`The engine did not take the image ${image}: ${said}`);
  return image;
}

async function build(name: string, recipe: Recipe, temporary: string): Promise<void> {
  console.log(`Making a test image for ${name} from the distribution's packages (once) ...`);
  const [debs, folder] = [join(temporary, 'debs'), join(temporary, 'root')];
  await mkdir(join(debs, 'partial'), { recursive: true });
  const packages = [...recipe.packages, 'libc6', ...(recipe.busybox ? ['busybox-static'] : [])];
  // With an empty list of installed packages, apt returns all dependencies.
  const options = ['Dir::State::status=/dev/null', 'Debug::NoLocking=1', 'APT::Install-Recommends=false'];
  options.push('APT::Sandbox::User=root', `Dir::Cache::archives=${debs}`);
  await mustRun('apt-get', [
    ...options.flatMap((option) => ['-o', option]),
    '-qq',
    '-y',
    '--download-only',
    'install',
    ...packages,
  ]);

  for (const path of [
    'usr/bin',
    'usr/sbin',
    'usr/lib',
    'usr/lib64',
    'usr/local/bin',
    'etc',
    'proc',
    'sys',
    'dev',
    'root',
    'var/tmp',
    'tmp',
  ]) {
    await mkdir(join(folder, path), { recursive: true });
  }
  for (const path of ['tmp', 'var/tmp']) await chmod(join(folder, path), 0o1777);
  for (const path of ['bin', 'sbin', 'lib', 'lib64']) await symlink(`usr/${path}`, join(folder, path));
  const exclude = leftOut.map((pattern) => `'--exclude=${pattern}'`).join(' ');
  for (const file of await readdir(debs)) {
    const wanted = recipe.packages.some((own) => file.startsWith(`${own}_`));
    if (!file.endsWith('.deb') || (withoutFiles.test(file) && !wanted)) continue;
    const unpack = `dpkg-deb --fsys-tarfile "$1" | tar -x -C "$2" --keep-directory-symlink ${exclude}`;
    await mustRun('bash', ['-o', 'pipefail', '-c', unpack, 'unpack', join(debs, file), folder]);
  }
  if (recipe.busybox) {
    for (const command of commands) await symlink('/bin/busybox', join(folder, 'usr/local/bin', command));
    await rm(join(folder, 'usr/bin/sh'), { force: true });
    await symlink('/bin/busybox', join(folder, 'usr/bin/sh'));
  } else await symlink('dash', join(folder, 'usr/bin/sh')).catch(() => undefined);
  await writeFile(
    join(folder, 'etc/passwd'),
    'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/tmp:/bin/sh\n',
  );
  await writeFile(join(folder, 'etc/group'), 'root:x:0:\nnogroup:x:65534:\n');
  await recipe.finish?.(folder);
  const owner = ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner'];
  await mustRun('tar', ['-C', folder, ...owner, '-cf', join(temporary, 'root.tar'), '.']);
  await rm(debs, { recursive: true });
  await rm(folder, { recursive: true });
}
