const escapes = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** Escapes text for HTML, including attributes. */
export function escapeHtml(text) {
  return text.replace(/[&<>"']/g, (character) => escapes[character]);
}

/** Renders a task as a list item. `today` and `task.due` are ISO dates, so they compare as strings. */
export function renderTask(task, today) {
  const late = !task.done && task.due !== null && task.due < today;
  const state = task.done ? 'done' : late ? 'late' : 'open';
  const due = task.due === null ? '' : ` <time datetime="${task.due}">${task.due}</time>`;
  return `<li class="${state}">${escapeHtml(task.title)}${due}</li>`;
}

/** Renders the whole list from the rows of todo.json. */
export function renderList(tasks, today) {
  return `<ul class="todo">${tasks.map((task) => renderTask(task, today)).join('')}</ul>`;
}
