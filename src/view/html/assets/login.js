// @ts-check
// The token can come with the address, behind a `#`, which no server and no log ever sees. It does not stay there.

const form = document.querySelector('form');
const input = document.getElementById('token');
const token = new URLSearchParams(location.hash.slice(1)).get('token');

if (token && form && input instanceof HTMLInputElement) {
  history.replaceState(null, '', location.pathname + location.search);
  input.value = token;
  form.requestSubmit();
}
