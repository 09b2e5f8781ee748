/** Bytes with their media type, such as an image or a version of a file. */
export interface Blob {
  readonly mediaType: string;
  readonly data: Uint8Array;
}

/** Content-addressed bytes. Every method is atomic. */
export interface BlobStore {
  /** Stores the bytes. Returns their SHA-256, in hex. */
  put(blob: Blob): Promise<string>;
  /**
   * Returns the bytes with this hash, or null.
   * @param userId only what a conversation of this user refers to; default: everything
   */
  get(hash: string, userId?: string): Promise<Blob | null>;
}
