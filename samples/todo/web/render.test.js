import assert from 'node:assert/strict';
import { test } from 'node:test';
import { escapeHtml, renderList, renderTask } from './render.js';

const task = { id: 1, title: 'Pay the rent', due: '2026-01-31', every: 'month', done: false };

test('markup in a title is shown, not run', () => {
  assert.equal(escapeHtml(`<b title="x">'&'</b>`), '&lt;b title=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/b&gt;');
});

test('a task is late only after its due date', () => {
  assert.match(renderTask(task, '2026-01-31'), /class="open"/);
  assert.match(renderTask(task, '2026-02-01'), /class="late"/);
  assert.match(renderTask({ ...task, done: true }, '2026-02-01'), /class="done"/);
});

test('a task without a date has no time', () => {
  assert.equal(renderTask({ ...task, due: null }, '2026-02-01'), '<li class="open">Pay the rent</li>');
});

test('a list holds every task', () => {
  assert.equal(renderList([task, task], '2026-01-01').match(/<li/g).length, 2);
});
