// The dialog of settings. Only what differs from the model's own values is kept and sent.
import {byId, make} from '../shared/dom.js';
import {apiKey, savePreferences} from './store.js';
import {texts} from './texts.js';

const sampling = ['temperature', 'top_p', 'min_p', 'top_k', 'max_tokens', 'seed', 'presence_penalty',
  'repetition_penalty'];
const ownFields = new Set([...sampling, 'thinking']);
const pageFields = new Set(['messages', 'stream', 'stream_options', 'return_progress']);

/** What a preset keeps: {system, settings}. */
function fill(form, {system, settings}) {
  form.system.value = system;
  for (const name of sampling) form[name].value = settings[name] ?? '';
  form.thinking.value = settings.thinking ?? '';
  const others = Object.entries(settings).filter(([name]) => !ownFields.has(name));
  form.fields.value = others.length > 0 ? JSON.stringify(Object.fromEntries(others), null, 1) : '';
  form.fields.setCustomValidity('');
}

/** The further fields; throws what is wrong with them. */
function readFields(text) {
  if (!text.trim()) return {};
  let fields;
  try {
    fields = JSON.parse(text);
  } catch {
    throw new Error(texts.wantsObject);
  }
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) throw new Error(texts.wantsObject);
  for (const name of Object.keys(fields)) {
    if (ownFields.has(name)) throw new Error(texts.hasItsField(name));
    if (pageFields.has(name)) throw new Error(texts.pageField(name));
  }
  return fields;
}

function checkFields(form) {
  let problem = '';
  try {
    readFields(form.fields.value);
  } catch (fault) {
    problem = fault.message;
  }
  form.fields.setCustomValidity(problem);
}

function read(form) {
  const settings = readFields(form.fields.value);
  for (const name of sampling) {
    if (form[name].value !== '') settings[name] = Number(form[name].value);
  }
  if (form.thinking.value) settings.thinking = form.thinking.value;
  return {system: form.system.value, settings};
}

function showDefaults(form, defaults = {}) {
  for (const name of sampling) {
    const value = defaults[name];
    // Of a number such as 0.949999988079071 the digits that mean something.
    form[name].placeholder = value === undefined ? '' : String(Number(value.toFixed(6)));
  }
}

/** The presets in `preferences`: choosing one fills the form, which is kept as always by "Save". */
function offerPresets(form, preferences) {
  const presets = preferences.presets ??= {};
  const list = (chosen) => {
    form.preset.replaceChildren(make('option', {value: ''}, texts.noPreset),
      ...Object.keys(presets).sort().map((name) => make('option', {value: name}, name)));
    form.preset.value = chosen;
    byId('delete-preset').disabled = !chosen;
  };
  const askForName = (asks) => {
    byId('preset-name-row').hidden = !asks;
    (asks ? form.preset_name : byId('save-preset')).focus();
  };
  form.preset.onchange = () => {
    byId('delete-preset').disabled = !form.preset.value;
    if (form.preset.value) fill(form, presets[form.preset.value]);
  };
  byId('save-preset').onclick = () => {
    if (!form.reportValidity()) return;
    form.preset_name.value = form.preset.value;
    askForName(true);
  };
  const keep = () => {
    const name = form.preset_name.value.trim();
    if (!name || !form.reportValidity()) return;
    presets[name] = read(form);
    savePreferences(preferences);
    list(name);
    askForName(false);
  };
  byId('keep-preset').onclick = keep;
  form.preset_name.onkeydown = (event) => {
    if (event.key !== 'Enter' || event.isComposing) return;
    event.preventDefault();  // it would save the settings
    keep();
  };
  byId('delete-preset').onclick = () => {
    delete presets[form.preset.value];
    savePreferences(preferences);
    list('');
    form.preset.focus();
  };
  byId('preset-name-row').hidden = true;
  list('');
}

/** Calls `saved` where something was. */
export function openSettings(chat, preferences, capabilities, saved) {
  const dialog = byId('settings');
  const form = byId('settings-form');
  byId('thinking-label').hidden = capabilities?.thinking === false;
  fill(form, chat);
  form.key.value = apiKey.get();
  form.ctrl_enter.checked = Boolean(preferences.ctrl_enter);
  showDefaults(form, capabilities?.defaults);
  offerPresets(form, preferences);
  form.fields.oninput = () => checkFields(form);
  byId('reset-settings').onclick = () => {
    for (const name of [...ownFields, 'fields']) form[name].value = '';
    checkFields(form);
  };
  dialog.onclose = () => {
    if (dialog.returnValue === 'save') {
      Object.assign(chat, read(form));
      apiKey.set(form.key.value.trim());
      preferences.ctrl_enter = form.ctrl_enter.checked;
      savePreferences(preferences);
      saved();
    }
    dialog.returnValue = '';
  };
  dialog.showModal();
}
