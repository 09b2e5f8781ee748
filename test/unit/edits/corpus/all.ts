import type { Case } from '../case.ts';
import { alikeCorpus } from './alike.ts';
import { firstCorpus } from './first.ts';
import { patchesCorpus } from './patches.ts';
import { placesCorpus } from './places.ts';
import { severalCorpus } from './several.ts';
import { shapesCorpus } from './shapes.ts';
import { unifiedCorpus } from './unified.ts';
import { whitespaceCorpus } from './whitespace.ts';

/** All cases, each with its only right outcome. */
export const corpus: readonly Case[] = [
  ...firstCorpus,
  ...shapesCorpus,
  ...placesCorpus,
  ...whitespaceCorpus,
  ...alikeCorpus,
  ...severalCorpus,
  ...patchesCorpus,
  ...unifiedCorpus,
];
