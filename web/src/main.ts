import { mount } from 'svelte';
import './styles/fonts.css';
import './styles/base.css';
import App from './App.svelte';
import { startSession } from './lib/session.svelte';
import { startRouter } from './router.svelte';
import { loadTexts } from './texts';

// A sign-in that comes back from the pool's page puts the address right before the first page is shown.
await Promise.all([loadTexts(), startSession()]);
startRouter();
mount(App, { target: document.getElementById('app')! });
