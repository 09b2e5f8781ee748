import packaged from 'string_decoder/';

export const { StringDecoder } = packaged;
export default packaged;
