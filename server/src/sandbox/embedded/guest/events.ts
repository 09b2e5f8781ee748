import EventEmitter from 'events/';

/* `node:events`, from the npm package `events`. */

export const { once, defaultMaxListeners } = EventEmitter;
export { EventEmitter };
export default EventEmitter;
