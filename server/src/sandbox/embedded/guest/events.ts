import EventEmitter from 'events/';

export const { once, defaultMaxListeners } = EventEmitter;
export { EventEmitter };
export default EventEmitter;
