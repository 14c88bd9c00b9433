// Text files that go with a question.
import {byId, make} from '../shared/dom.js';
import {texts} from './texts.js';

export const mostBytes = 1 << 20;
const longPaste = 2000;  // characters; more of them become a file

/** The text of a file; throws what is wrong with it. */
export async function readText(file) {
  if (file.type.startsWith('image/')) throw new Error(texts.noImages(file.name));
  if (file.size > mostBytes) throw new Error(texts.fileTooLarge(file.name, mostBytes));
  let text;
  try {
    text = new TextDecoder('utf-8', {fatal: true}).decode(await file.arrayBuffer());
  } catch {
    throw new Error(texts.noText(file.name));
  }
  if (text.includes('\0')) throw new Error(texts.noText(file.name));
  return text;
}

/** "notes.txt", "notes.txt 2": names under which files are told apart. */
function freeName(name, files) {
  let free = name;
  for (let n = 2; files.some((file) => file.name === free); ++n) free = `${name} ${n}`;
  return free;
}

/** A file with its text folded in. */
export function fileView(file, remove) {
  const body = make('pre', {tabindex: '0'});
  const details = make('details', {ontoggle: () => { body.textContent = details.open ? file.text : ''; }},
    make('summary', {}, `${file.name} · ${texts.characters(file.text.length)}`), body);
  const button = remove && make('button', {class: 'icon', type: 'button', 'aria-label': texts.removeFile(file.name),
    onclick: remove}, '×');
  return make('div', {class: 'file'}, details, button || null);
}

/** The files of the question that is being written. `files()` are the chat's; `changed` hears of it. */
export class Attachments {
  constructor({files, changed, complain}) {
    Object.assign(this, {files, changed, complain});
    byId('attach').addEventListener('click', () => byId('attach-file').click());
    byId('attach-file').addEventListener('change', (event) => {
      this.add([...event.target.files]);
      event.target.value = '';
    });
    byId('input').addEventListener('paste', (event) => this.paste(event));
    this.takeDrops();
  }

  /** Of files, anywhere: a drop that nobody takes opens the file in place of the page. */
  takeDrops() {
    const page = document.querySelector('main');
    const listen = (name, action) => addEventListener(name, (event) => {
      if (!event.dataTransfer.types.includes('Files')) return;
      event.preventDefault();
      action(event);
    });
    for (const name of ['dragenter', 'dragover']) listen(name, () => page.classList.add('dropping'));
    listen('dragleave', (event) => {
      if (!event.relatedTarget) page.classList.remove('dropping');  // it left the window
    });
    listen('drop', (event) => {
      page.classList.remove('dropping');
      this.add([...event.dataTransfer.files]);
    });
  }

  async add(found) {
    for (const file of found) {
      try {
        this.files().push({name: freeName(file.name, this.files()), text: await readText(file)});
      } catch (fault) {
        this.complain(fault.message);
      }
    }
    this.show();
    this.changed();
  }

  paste(event) {
    const found = [...event.clipboardData.files];
    const text = event.clipboardData.getData('text/plain');
    if (found.length === 0 && text.length <= longPaste) return;
    event.preventDefault();
    this.add(found.length > 0 ? found : [new File([text], texts.pasted, {type: 'text/plain'})]);
  }

  show() {
    const files = this.files();
    byId('files').hidden = files.length === 0;
    byId('files').replaceChildren(...files.map((file) => fileView(file, () => {
      files.splice(files.indexOf(file), 1);
      this.show();
      this.changed();
      byId('input').focus();
    })));
  }
}
