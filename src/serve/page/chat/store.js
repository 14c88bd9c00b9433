// Chats and preferences in IndexedDB, by browser. Where there is none (private windows of some browsers)
// they live as long as the page, which says so.
import {tabKey} from '../shared/server.js';

let database = null;
const memory = new Map();

function done(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

export async function openStore() {
  const request = indexedDB.open('fathom', 1);
  request.onupgradeneeded = () => request.result.createObjectStore('chats', {keyPath: 'id'});
  database = await done(request);
}

function chats(mode) {
  return database.transaction('chats', mode).objectStore('chats');
}

export async function allChats() {
  const found = database ? await done(chats('readonly').getAll()) : [...memory.values()];
  return found.sort((a, b) => b.updated - a.updated);
}

export function saveChat(chat) {
  if (!database) return Promise.resolve(memory.set(chat.id, chat));
  return done(chats('readwrite').put(chat));
}

export function deleteChat(id) {
  if (!database) return Promise.resolve(memory.delete(id));
  return done(chats('readwrite').delete(id));
}

/** Preferences are small and wanted before the first paint. */
export function readPreferences() {
  try {
    return JSON.parse(localStorage.getItem('fathom.preferences')) ?? {};
  } catch {
    return {};
  }
}

export function savePreferences(preferences) {
  localStorage.setItem('fathom.preferences', JSON.stringify(preferences));
}

export const apiKey = tabKey('fathom.key');
