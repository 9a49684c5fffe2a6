import '@fontsource/inter/400.css';
import '@fontsource/inter/500.css';
import { createRoot } from 'react-dom/client';

import { GlobalStyles, ThemeContext } from '@grafana/ui';
import { annotations } from './prometheus.js';
import { asked } from './settings.js';
import { theme } from './fields.js';
import { chosen } from './variables.js';
import { Board } from './board.jsx';

const board = await (await fetch(`/boards/${asked.get('board')}.json`)).json();
const { values, options } = await chosen(board);
const marks = await annotations(board, values);
createRoot(document.getElementById('root')).render(
  <ThemeContext.Provider value={theme}><GlobalStyles /><Board board={board} values={values} options={options} marks={marks} /></ThemeContext.Provider>);
