import 'uplot/dist/uPlot.min.css';
import './app.css';
import { mount } from 'svelte';
import App from './App.svelte';
import { createApi } from './graphql/client.ts';

mount(App, {
  target: document.getElementById('app')!,
  props: { api: createApi(new URL(location.href)) },
});
