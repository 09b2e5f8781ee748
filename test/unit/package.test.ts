import { describe, expect, test } from 'vitest';
import { withoutRelativeLinks } from '../../scripts/package.ts';

describe('the README inside the VSIX', () => {
  test('the README inside the VSIX refers to no missing file', () => {
    expect(
      withoutRelativeLinks('![Chat](docs/a.png)See [how](docs/x.md) or [home](https://example.com) or [below](#run).'),
    ).toBe('See how or [home](https://example.com) or [below](#run).');
  });
});
