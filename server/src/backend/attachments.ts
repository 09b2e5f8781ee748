import type { Attachment, NewAttachment } from '@devlm/protocol/events.ts';
import { limits } from '@devlm/protocol/limits.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import { addTurns, emptyConversation } from '@devlm/protocol/reducer.ts';
import type { RouteChecked } from '@devlm/protocol/routes.ts';
import { imageTypeOf } from '@devlm/workspace-core/image-type.ts';
import { hasPlaceholder, type Secrets } from '../actions/secrets/secrets.ts';
import { sha256Hex } from '../sha256.ts';
import type { Store } from '../storage/ports/store.ts';

type AttachmentStore = Pick<Store, 'turns' | 'blobs'>;

/**
 * Stores the images of a message and returns its attachments. The attachments of the earlier message `attachmentsOf`
 * come first.
 *
 * @throws ProblemError `not_found`, `not_an_image`, `too_many_attachments`
 */
export async function storeAttachments(
  store: AttachmentStore,
  conversationId: string,
  { attachments: added, attachmentsOf }: Pick<RouteChecked<'turns.create'>['body'], 'attachments' | 'attachmentsOf'>,
): Promise<Attachment[]> {
  const attachments: Attachment[] = [];
  if (attachmentsOf !== undefined) {
    const { turns } = await store.turns.branchOf(conversationId, attachmentsOf, 1);
    const earlier = addTurns(emptyConversation(conversationId), turns).turns[attachmentsOf];
    attachments.push(...(earlier?.attachments ?? []));
  }
  for (const attachment of added) attachments.push(await storeAttachment(store, attachment));
  if (attachments.length > limits.attachments)
    throw new ProblemError({
      code: 'too_many_attachments',
      status: 422,
      title: 'Too many attachments',
      detail: `A message can have at most ${limits.attachments} attachments. Remove some of them.`,
    });
  return attachments;
}

async function storeAttachment(store: AttachmentStore, attachment: NewAttachment): Promise<Attachment> {
  if (attachment.kind !== 'image') return attachment;
  const { name } = attachment;
  const data = Buffer.from(attachment.data, 'base64');
  // A file name proves nothing, and the API rejects an image whose type differs from the declared one.
  const mediaType = imageTypeOf(data);
  if (!mediaType)
    throw new ProblemError({
      code: 'not_an_image',
      status: 422,
      title: 'Not an image',
      detail: `${name} is not a PNG, JPEG, GIF or WebP image. Attach an image in one of these formats.`,
    });
  return { kind: 'image', name, mediaType, blob: await store.blobs.put({ mediaType, data }), bytes: data.length };
}

/**
 * Returns the attachment with credentials replaced by placeholders. If any were replaced, `hash` is the SHA-256 of the
 * original text, so that the file can be recognized.
 */
export function withoutCredentials(secrets: Secrets, attachment: Attachment): Attachment {
  if (attachment.kind === 'image') return attachment;
  const { hash: originalHash, ...rest } = attachment;
  const text = secrets.hide(rest.text);
  if (text !== rest.text) return { ...rest, text, hash: sha256Hex(rest.text) };
  // The credentials of an attachment of an earlier message were replaced when it was sent.
  return originalHash !== undefined && hasPlaceholder(text) ? attachment : rest;
}
