// Nothing here knows the page.

/** What the model reads of a question with files, in the words of DeepSeek's own page. */
export function withFiles(content, files = []) {
  return files.map(({name, text}) => (
    `[file name]: ${name}\n[file content begin]\n${text}\n[file content end]\n`)).join('') + content;
}
