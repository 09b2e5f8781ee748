import type { ImageMediaType } from '@devlm/protocol/ids.ts';
import { limits } from '@devlm/protocol/limits.ts';
import type { ToolDetails } from '@devlm/protocol/tools.ts';
import { imageTypeOf } from '@devlm/workspace-core/image-type.ts';
import * as z from 'zod';
import type { ToolContext } from '../../tool.ts';

/*
 * Converts the parts of a third-party tool's result to a text and images for the model.
 */

const Resource = z.object({
  uri: z.string().max(10_000),
  mimeType: z.string().max(200).optional(),
  text: z.string().optional(),
  blob: z.string().optional(),
});
const ContentPart = z.union([
  z.object({ type: z.literal('text'), text: z.string() }),
  z.object({ type: z.literal('image'), data: z.string(), mimeType: z.string() }),
  z.object({ type: z.literal('audio') }),
  z.object({ type: z.literal('resource'), resource: Resource }),
  z.object({ type: z.literal('resource_link'), uri: z.string().max(10_000), name: z.string().max(1000).optional() }),
]);

/** Maximum number of parts that are read. */
const maxParts = 200;

type Image = NonNullable<ToolDetails['images']>[number];

/** Returns the text and the images of the parts. The text names what cannot be shown. */
export async function readParts(
  parts: readonly unknown[],
  context: Pick<ToolContext, 'putImage'>,
): Promise<{ text: string; images: Image[] }> {
  const texts: string[] = [];
  const images: Image[] = [];
  const addImage = async (data: string, mimeType: string) => {
    const image = images.length < limits.resultImages ? imageOf(data) : 'there are too many images';
    if (typeof image === 'string') return texts.push(`(An image, ${JSON.stringify(mimeType)}, was omitted: ${image}.)`);
    const blob = await context.putImage(image.mediaType, image.bytes);
    return images.push({ mediaType: image.mediaType, blob });
  };
  for (const value of parts.slice(0, maxParts)) {
    const part = ContentPart.safeParse(value).data;
    switch (part?.type) {
      case 'text':
        texts.push(part.text);
        break;
      case 'image':
        await addImage(part.data, part.mimeType);
        break;
      case 'resource': {
        const { uri, mimeType = '', text, blob } = part.resource;
        if (text !== undefined) texts.push(`${uri}:\n${text}`);
        else if (mimeType.startsWith('image/') && blob !== undefined) await addImage(blob, mimeType);
        else texts.push(`(${uri}: ${mimeType || 'binary'} content, which cannot be shown.)`);
        break;
      }
      case 'resource_link':
        texts.push(`(Resource ${part.name ?? ''}: ${part.uri})`);
        break;
      default:
        texts.push(`(A part that cannot be shown${part ? `: ${part.type}` : ''}.)`);
    }
  }
  if (parts.length > maxParts) texts.push(`(${parts.length - maxParts} more parts were omitted.)`);
  return { text: texts.join('\n'), images };
}

/** Returns an image that the Messages API accepts, recognized by its bytes, or the reason why it is not one. */
function imageOf(base64: string): { mediaType: z.infer<typeof ImageMediaType>; bytes: Buffer } | string {
  if (base64.length > limits.imageBytes * 1.4) return 'it is too large';
  const bytes = Buffer.from(base64, 'base64');
  if (bytes.length > limits.imageBytes) return 'it is too large';
  const mediaType = imageTypeOf(bytes);
  return mediaType ? { mediaType, bytes } : 'it is not a PNG, JPEG, GIF or WebP image';
}
