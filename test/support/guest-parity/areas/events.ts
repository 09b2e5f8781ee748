import { areaOf } from '../parity.ts';

const head = `import { EventEmitter, once } from 'node:events'; const emitter = new EventEmitter();`;

/** Programs about `events`. */
export const eventsArea = areaOf(
  'events',
  {
    'listeners in order, with arguments': `${head}
    emitter.on('a', (...args) => console.log('first', args)); emitter.addListener('a', () => console.log('second'));
    emitter.prependListener('a', () => console.log('zeroth'));
    console.log(emitter.emit('a', 1, 'two'), emitter.emit('none'));`,
    'once and off': `${head}
    const say = () => console.log('said');
    emitter.once('a', say); emitter.emit('a'); emitter.emit('a');
    emitter.once('a', say); emitter.off('a', say); console.log(emitter.emit('a'));
    emitter.prependOnceListener('b', say); emitter.emit('b'); console.log(emitter.listenerCount('b'));`,
    'this of a listener': `${head}
    emitter.on('a', function () { console.log(this === emitter); }); emitter.emit('a');`,
    'an unhandled error is thrown': `${head}
    try { emitter.emit('error', new TypeError('bad')); } catch (error) { console.log(error.name, error.message); }
    try { emitter.emit('error', 'text'); } catch (error) { console.log(error.name, error.code, error.message); }
    try { emitter.emit('error'); } catch (error) { console.log(error.code, error.message); }`,
    'names and counts': `${head}
    const key = Symbol('key');
    emitter.on('b', () => {}); emitter.on(key, () => {}); emitter.on('a', () => {});
    console.log(emitter.eventNames(), emitter.listenerCount('b'), emitter.listeners('a').length, emitter.getMaxListeners());`,
    'rawListeners of once': `${head}
    const say = () => console.log('said'); emitter.once('a', say);
    console.log(emitter.listeners('a')[0] === say, emitter.rawListeners('a')[0].listener === say);
    emitter.rawListeners('a')[0](); console.log(emitter.listenerCount('a'));`,
    'newListener and removeListener': `${head}
    emitter.on('newListener', (name) => console.log('new', name)); emitter.on('removeListener', (name) => console.log('removed', name));
    const say = () => {}; emitter.on('a', say); emitter.removeListener('a', say); emitter.removeAllListeners('a');`,
    removeAllListeners: `${head}
    emitter.on('a', () => {}).on('b', () => {}); emitter.removeAllListeners('a'); console.log(emitter.eventNames());
    emitter.removeAllListeners(); console.log(emitter.eventNames());`,
    'removal during emit': `${head}
    const second = () => console.log('second');
    emitter.on('a', () => { console.log('first'); emitter.off('a', second); }); emitter.on('a', second);
    emitter.emit('a'); emitter.emit('a');`,
    'a subclass with fields': `${head}
    class Store extends EventEmitter { items = []; add(item) { this.items.push(item); this.emit('added', item); return this; } }
    const store = new Store(); store.on('added', (item) => console.log('added', item)); store.add(1).add(2); console.log(store.items);`,
    'constructors without class': `
    const { EventEmitter } = await import('node:events'); const { inherits } = await import('node:util');
    function Old() { EventEmitter.call(this); } inherits(Old, EventEmitter);
    const old = new Old(); old.on('a', () => console.log('heard')); console.log(old.emit('a'), old instanceof EventEmitter);`,
    'the promise of once': `${head}
    setTimeout(() => emitter.emit('done', 1, 2), 1); console.log(await once(emitter, 'done'));
    setTimeout(() => emitter.emit('error', new Error('no')), 1); await once(emitter, 'done').catch((error) => console.log(error.message));`,
    'asynchronous iteration with on': `
    import events, { EventEmitter } from 'node:events'; const emitter = new EventEmitter();
    setTimeout(() => { emitter.emit('n', 1); emitter.emit('n', 2); }, 1);
    for await (const [n] of events.on(emitter, 'n')) { console.log(n); if (n === 2) break; }`,
    'the default export is the class': `
    import Default, { EventEmitter } from 'node:events'; import { createRequire } from 'node:module';
    console.log(Default === EventEmitter, createRequire('/x.js')('events') === EventEmitter, Default.EventEmitter === Default, Default.defaultMaxListeners);`,
    'an invalid listener': `${head}
    try { emitter.on('a', 5); } catch (error) { console.log(error.name, error.code, error.message); }
    try { emitter.on('a'); } catch (error) { console.log(error.name, error.code, error.message); }`,
    setMaxListeners: `${head}
    console.log(emitter.setMaxListeners(3) === emitter, emitter.getMaxListeners());
    try { emitter.setMaxListeners(-1); } catch (error) { console.log(error.name, error.code); }`,
    'events of EventTarget': `
    const target = new EventTarget();
    target.addEventListener('x', (event) => console.log(event.type, event instanceof Event, event.target === target), { once: true });
    console.log(target.dispatchEvent(new Event('x')), target.dispatchEvent(new Event('x')));`,
    'a cancelled event': `
    const target = new EventTarget();
    target.addEventListener('x', (event) => event.preventDefault()); target.addEventListener('x', { handleEvent(event) { console.log('object', event.defaultPrevented); } });
    console.log(target.dispatchEvent(new Event('x', { cancelable: true })));`,
    'an AbortController': `
    const controller = new AbortController(); controller.signal.addEventListener('abort', () => console.log('aborted'));
    controller.abort(); controller.abort(); console.log(controller.signal.aborted, controller.signal.reason.name, controller.signal.reason.message);
    try { AbortSignal.abort('why').throwIfAborted(); } catch (error) { console.log(error); }`,
    'AbortSignal.any and timeout': `
    const controller = new AbortController(); const any = AbortSignal.any([controller.signal, AbortSignal.timeout(10_000)]);
    controller.abort(new Error('first')); console.log(any.aborted, any.reason.message);`,
  },
  [
    {
      name: 'too many listeners warn',
      source: `${head} for (let i = 0; i < 11; i++) emitter.on('a', () => {}); console.log('end');`,
    },
    {
      name: 'an error event without a listener ends the program',
      source: `${head} console.log('before'); emitter.emit('error', new Error('nobody listens'));`,
    },
  ],
);
