// What the page was asked to show, by its address.
export const asked = new URLSearchParams(location.search);

export const PROMETHEUS = asked.get('prometheus');
export const SCRAPE = +(asked.get('scrape') || 5); // seconds, the data source's "scrape interval"
export const FASTER = +(asked.get('faster') || 1); // by which the windows that a board has of its own are divided
export const TO = +(asked.get('to') || Date.now() / 1000);
export const FROM = TO - 60 * +(asked.get('minutes') || 60);
export const RANGE = TO - FROM;
export const WIDTH = +(asked.get('width') || 1440);
export const HEIGHT = +(asked.get('height') || Infinity); // of the screen; Grafana does not load what is below it
export const EXPANDED = asked.get('expanded') === '1'; // whether collapsed rows are open
