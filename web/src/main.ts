import { mount } from 'svelte';
import App from './App.svelte';
import { startSession } from './lib/session.svelte';

void startSession();
mount(App, { target: document.getElementById('app')! });
