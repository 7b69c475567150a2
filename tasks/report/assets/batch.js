// Sorts and filters the table of a batch.
(() => {
  const table = document.getElementById('tyres');
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const buttons = [...table.querySelectorAll('button[data-column]')];
  const find = document.getElementById('find');
  const outcome = document.getElementById('outcome');
  const shown = document.getElementById('shown');

  const keys = {
    text: (cell) => cell.textContent.trim().toLowerCase(),
    number: (cell) => (cell.textContent.trim() === '' ? null : Number(cell.textContent)),
    rank: (cell) => Number(cell.dataset.value),
  };

  // Cells without a value stand last, whichever way the others are sorted.
  function compare(a, b, sign) {
    if (a === null || b === null) return (a === null) - (b === null);
    return typeof a === 'string' ? sign * a.localeCompare(b, 'en', { numeric: true }) : sign * (a - b);
  }

  function sort(button) {
    const header = button.closest('th');
    const up = header.getAttribute('aria-sort') !== 'ascending';
    for (const other of buttons) other.closest('th').setAttribute('aria-sort', 'none');
    header.setAttribute('aria-sort', up ? 'ascending' : 'descending');
    const column = Number(button.dataset.column);
    const key = keys[button.dataset.kind];
    const keyed = rows.map((row) => [key(row.cells[column]), row]);
    keyed.sort(([a], [b]) => compare(a, b, up ? 1 : -1));
    body.append(...keyed.map(([, row]) => row));
  }

  function filter() {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      const fits = !outcome.value || row.dataset.outcome === outcome.value;
      row.hidden = !(fits && words.every((word) => text.includes(word)));
      count += !row.hidden;
    }
    shown.textContent = `${count} of ${rows.length} shown`;
  }

  for (const button of buttons) button.addEventListener('click', () => sort(button));
  find.addEventListener('input', filter);
  outcome.addEventListener('change', filter);
})();
