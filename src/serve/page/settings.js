// The dialog of settings. Only what differs from the model's own values is kept and sent.
import {byId} from './dom.js';
import {apiKey, savePreferences} from './store.js';

const sampling = ['temperature', 'top_p', 'min_p', 'top_k', 'max_tokens', 'seed', 'presence_penalty',
  'repetition_penalty'];

function fill(form, chat, preferences) {
  form.system.value = chat.system;
  for (const name of sampling) form[name].value = chat.settings[name] ?? '';
  form.thinking.value = chat.settings.thinking ?? '';
  form.key.value = apiKey.get();
  form.ctrl_enter.checked = Boolean(preferences.ctrl_enter);
}

function read(form, chat, preferences) {
  chat.system = form.system.value;
  for (const name of sampling) {
    if (form[name].value === '') delete chat.settings[name];
    else chat.settings[name] = Number(form[name].value);
  }
  if (form.thinking.value) chat.settings.thinking = form.thinking.value;
  else delete chat.settings.thinking;
  apiKey.set(form.key.value.trim());
  preferences.ctrl_enter = form.ctrl_enter.checked;
  savePreferences(preferences);
}

/** Calls `saved` where something was. */
export function openSettings(chat, preferences, capabilities, saved) {
  const dialog = byId('settings');
  const form = byId('settings-form');
  byId('thinking-label').hidden = capabilities?.thinking === false;
  fill(form, chat, preferences);
  byId('reset-settings').onclick = () => {
    for (const name of [...sampling, 'thinking']) form[name].value = '';
  };
  dialog.onclose = () => {
    if (dialog.returnValue === 'save') {
      read(form, chat, preferences);
      saved();
    }
    dialog.returnValue = '';
  };
  dialog.showModal();
}
