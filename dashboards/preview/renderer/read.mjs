// What a reader of the page sees, as data. It runs in the page, so it refers to nothing outside itself.
export function read() {
  const panels = [...document.querySelectorAll('[data-panel]')];

  // The part of a text that lies beyond the right edge of what clips it is not seen.
  function isCut(node, panel) {
    const range = document.createRange();
    range.selectNodeContents(node);
    const { left, right } = range.getBoundingClientRect();
    for (let box = node.parentElement; box; box = box === panel ? null : box.parentElement) {
      const style = getComputedStyle(box);
      if (style.display === 'inline' || style.overflowX === 'visible') continue;
      const edge = box.getBoundingClientRect();
      if (right > edge.right + 1 || left < edge.left - 1) return true;
    }
    return false;
  }

  function textsIn(panel) {
    const walker = document.createTreeWalker(panel, NodeFilter.SHOW_TEXT);
    const texts = [];
    while (walker.nextNode()) {
      const node = walker.currentNode;
      if (node.textContent.trim() && node.parentElement.offsetParent) texts.push(node);
    }
    return texts;
  }

  const plain = (element) => element.innerText.replace(/\s+/g, ' ').trim();

  return panels.map((panel) => {
    const place = panel.getBoundingClientRect();
    const rows = [...panel.querySelectorAll('[role=row]')].filter((row) => row.querySelector('[role=gridcell]'));
    return {
      title: panel.dataset.panel,
      type: panel.dataset.type,
      top: Math.round(place.top),
      bottom: Math.round(place.bottom),
      error: panel.querySelector('[data-error]')?.textContent ?? '',
      empty: panel.querySelector('[data-empty]') !== null,
      cut: textsIn(panel).filter((node) => isCut(node, panel)).map((node) => node.textContent.trim()),
      stats: [...panel.querySelectorAll('[data-stat]')].map((stat) => ({ text: stat.dataset.stat, colour: stat.dataset.colour })),
      columns: [...panel.querySelectorAll('[role=columnheader]')].map(plain),
      rows: rows.map((row) => [...row.querySelectorAll('[role=gridcell]')].map(plain)),
      links: [...panel.querySelectorAll('[role=gridcell] a')].map((link) => link.href),
      legend: [...panel.querySelectorAll('tbody tr')].map(plain),
    };
  });
}
