import packaged from 'string_decoder/';

/* `node:string_decoder`, from the npm package `string_decoder`. */

export const { StringDecoder } = packaged;
export default packaged;
