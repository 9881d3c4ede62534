"""The script of a report: it draws the charts, sorts the tables and copies commands."""

# In braces: the chart library declares short global names, and another of the same name would be an error
# and a blank page.
SCRIPT = r"""{
const read = id => JSON.parse(document.getElementById(id).textContent);
const PAGE = 100;

// --- charts
const SPECS = read('specs'), CONFIG = read('chart-config');
const embed = (box, spec) => vegaEmbed(box, {...spec, config: CONFIG}, {actions: false, renderer: 'canvas'})
  .catch(error => { box.textContent = 'This chart cannot be drawn: ' + error.message; });
const draw = async () => {
  for (const box of document.querySelectorAll('[data-chart]')) {
    await embed(box, SPECS[box.dataset.chart][Number(box.dataset.panel)]);
    await new Promise(done => setTimeout(done));
  }
  document.documentElement.dataset.drawn = 'true';
};
for (const list of document.querySelectorAll('select[data-pick]')) {
  list.addEventListener('change', () => {
    const box = document.getElementById(list.dataset.pick);
    embed(box, SPECS[box.dataset.chart][list.selectedIndex]);
  });
}

// --- text to copy
for (const button of document.querySelectorAll('button[data-copy]')) {
  button.addEventListener('click', async () => {
    const text = document.getElementById(button.dataset.copy);
    try { await navigator.clipboard.writeText(text.textContent); }
    catch {
      const range = document.createRange();
      range.selectNodeContents(text);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      document.execCommand('copy');
    }
    button.textContent = 'copied';
    setTimeout(() => { button.textContent = 'copy'; }, 1500);
  });
}

// --- tables: the same numbers in the same words as the page was written with
const even = value => Math.abs(value % 1) === 0.5 ? 2 * Math.round(value / 2) : Math.round(value);
const general = value => {
  if (value === 0) return '0';
  const [digits, exponent] = value.toExponential(3).split('e');
  if (Number(exponent) < -4) {
    const power = Math.abs(Number(exponent)).toString().padStart(2, '0');
    return `${Number(digits)}e-${power}`;
  }
  return String(Number(value.toPrecision(4)));
};
const grouped = value => even(value).toLocaleString('en-US');
const words = ({kind, none}, value) => {
  if (value === null) return none;
  if (typeof value !== 'number') return String(value);
  if (kind === 'share') return (100 * value).toFixed(2) + ' %';
  return Math.abs(value) >= 1000 ? grouped(value) : general(value);
};
const compare = (a, b) => {
  if (a === null || b === null) return (a === null) - (b === null);
  return typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b), 'en');
};
for (const table of document.querySelectorAll('table[data-rows]')) {
  const {columns, rows, halves, marks} = read(table.dataset.rows);
  const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
  const pager = document.getElementById(table.dataset.rows + '-pager');
  const [back, ahead] = pager.querySelectorAll('button'), place = pager.querySelector('[role=status]');
  let order = rows.map((_, i) => i), page = 0;
  const line = i => {
    const row = document.createElement('tr');
    if (marks[i]) row.className = marks[i];
    columns.forEach((column, c) => {
      const cell = row.insertCell();
      cell.textContent = words(column, rows[i][c]);
      if (column.kind === 'text') cell.className = 'left';
      if (halves[c] && halves[c][i] !== null) {
        const spread = document.createElement('span');
        spread.className = 'ci';
        spread.textContent = '± ' + words(column, halves[c][i]);
        cell.append(spread);
      }
    });
    return row;
  };
  const show = () => {
    const last = Math.max(0, Math.ceil(order.length / PAGE) - 1);
    page = Math.min(Math.max(page, 0), last);
    const some = order.slice(page * PAGE, (page + 1) * PAGE);
    body.replaceChildren(...some.map(line));
    const first = some.length ? page * PAGE + 1 : 0;
    place.textContent = `${first} to ${page * PAGE + some.length} of ${order.length}`;
    back.disabled = page === 0;
    ahead.disabled = page === last;
  };
  back.addEventListener('click', () => { page -= 1; show(); });
  ahead.addEventListener('click', () => { page += 1; show(); });
  heads.forEach((head, c) => head.querySelector('button').addEventListener('click', () => {
    const up = head.getAttribute('aria-sort') !== 'ascending';
    heads.forEach(other => other.setAttribute('aria-sort', 'none'));
    head.setAttribute('aria-sort', up ? 'ascending' : 'descending');
    const sign = up ? 1 : -1;
    // What has no value stays at the end either way; equal ones keep the order of the points.
    order.sort((a, b) => {
      const [x, y] = [rows[a][c], rows[b][c]];
      return (x === null || y === null ? compare(x, y) : sign * compare(x, y)) || a - b;
    });
    page = 0;
    show();
  }));
  const search = pager.querySelector('input');
  search.addEventListener('input', () => {
    const wanted = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const text = i => columns.map((column, c) => words(column, rows[i][c])).join(' ').toLowerCase();
    const holds = i => { const all = text(i); return wanted.every(word => all.includes(word)); };
    order = rows.map((_, i) => i).filter(holds);
    heads.forEach(other => other.setAttribute('aria-sort', 'none'));
    page = 0;
    show();
  });
}
addEventListener('beforeprint', () => document.querySelectorAll('details').forEach(d => { d.open = true; }));
if (Object.keys(SPECS).length) draw(); else document.documentElement.dataset.drawn = 'true';
}"""
