// What all pages know of their own server.

/** A key that this tab keeps, and that is gone with it. */
export function tabKey(name) {
  return {
    get: () => sessionStorage.getItem(name) ?? '',
    set: (key) => (key ? sessionStorage.setItem(name, key) : sessionStorage.removeItem(name)),
  };
}

export const headersOf = (key) => (key ? {Authorization: `Bearer ${key}`} : {});

/** In the server's words, why it did not do what was asked. */
export async function problemOf(response) {
  const answer = await response.json().catch(() => null);
  return answer?.error?.message ?? `${response.status} ${response.statusText}`;
}
