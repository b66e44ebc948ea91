// What is said is only ever put into the page as text; see `show`.
"use strict";

const room = document.body.dataset.room;
const [list, status, problem, join, say, nameField, textField] =
  ["messages", "status", "problem", "join", "say", "name", "text"]
    .map(id => document.getElementById(id));

const MOST_SHOWN = 500;
const shown = new Map(); // the messages on the page, by id
const mine = new Set(JSON.parse(sessionStorage.getItem("mine") || "[]"));
let name = "";
let socket = null;
let failures = 0;
let timer = 0;

function setStatus(state, text) {
  status.dataset.state = state;
  status.textContent = text;
  say.querySelector("button").disabled = state !== "open";
}

function connect() {
  clearTimeout(timer);
  setStatus("waiting", "Connecting …");
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const own = socket = new WebSocket(`${scheme}://${location.host}/rooms/${room}/socket`);
  own.onopen = () => own.send(JSON.stringify({ join: name }));
  own.onmessage = event => take(JSON.parse(event.data));
  own.onclose = () => {
    if (own !== socket) return;
    // Half at random, lest all pages come back in the same moment.
    const delay = Math.min(30000, 500 * 2 ** failures++) * (0.5 + Math.random() / 2);
    setStatus("lost", "Connection lost, trying again …");
    timer = setTimeout(connect, delay);
  };
}

// Whoever comes back to the network, or to the page, need not wait.
function hurry() {
  if (name && socket?.readyState === WebSocket.CLOSED) connect();
}

// A page that is left, and may come back from the browser's cache, is not in the room.
addEventListener("pagehide", () => {
  const own = socket;
  socket = null;
  own?.close();
});
addEventListener("pageshow", event => event.persisted && name && connect());

addEventListener("online", hurry);
document.addEventListener("visibilitychange", () => document.hidden || hurry());

function take(message) {
  if (message.kind === "error") {
    problem.textContent = message.text;
    return;
  }
  if (message.kind === "welcome") {
    failures = 0;
    problem.textContent = "";
    mine.add(message.who);
    sessionStorage.setItem("mine", JSON.stringify([...mine].slice(-50)));
    setStatus("open", "Connected");
    document.getElementById("empty").textContent = "Nobody has said anything here yet.";
    for (const old of message.messages) show(old);
    return;
  }
  show(message);
}

function element(tag, className, text) {
  const made = document.createElement(tag);
  made.className = className;
  if (text !== undefined) made.textContent = text; // never as HTML
  return made;
}

function hue(text) {
  let sum = 0;
  for (const character of text) sum = (sum * 31 + character.codePointAt(0)) % 3600;
  return sum * 137.5 % 360; // far apart, also for names that are alike
}

function draw(message) {
  if (message.kind !== "said") {
    const verb = message.kind === "came" ? "has come in" : "has left";
    return element("li", "event", `${message.name} ${verb}`);
  }
  const item = element("li", mine.has(message.who) ? "mine" : "");
  const face = element("span", "face", [...message.name][0].toUpperCase());
  face.setAttribute("aria-hidden", "true");
  face.style.setProperty("--hue", hue(message.name));
  const head = element("span", "head");
  const when = new Date(message.at);
  const time = element("time", "", when.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
  time.dateTime = when.toISOString();
  time.title = when.toLocaleString();
  head.append(element("span", "name", message.name), time);
  item.append(face, head, element("span", "text", message.text));
  return item;
}

// Puts a message where it belongs: after a reconnect some may be older than what is there.
function show(message) {
  if (shown.has(message.id)) return;
  const isAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 80;
  const item = draw(message);
  item.message = message;
  let next = null;
  let before = list.lastElementChild;
  while (before && before.message.at > message.at) {
    next = before;
    before = before.previousElementSibling;
  }
  list.insertBefore(item, next);
  shown.set(message.id, item);
  for (const one of [item, next]) if (one) follow(one);
  if (list.childElementCount > MOST_SHOWN) {
    shown.delete(list.firstElementChild.message.id);
    list.firstElementChild.remove();
    follow(list.firstElementChild);
  }
  if (isAtEnd || mine.has(message.who)) list.scrollTop = list.scrollHeight;
}

// Several messages of one person in five minutes have one head.
function follow(item) {
  const before = item.previousElementSibling?.message;
  const { kind, who, at } = item.message;
  const follows = kind === "said" && before?.kind === "said" && before.who === who && at - before.at < 300000;
  item.classList.toggle("follows", Boolean(follows));
}

function comeIn() {
  join.hidden = true;
  say.hidden = false;
  document.getElementById("me").textContent = name;
  connect();
  textField.focus();
}

join.addEventListener("submit", event => {
  event.preventDefault();
  name = nameField.value.trim();
  if (!name) return;
  localStorage.setItem("name", name);
  comeIn();
});

say.addEventListener("submit", event => {
  event.preventDefault();
  const text = textField.value.trim();
  if (!text || socket?.readyState !== WebSocket.OPEN) return;
  problem.textContent = "";
  socket.send(JSON.stringify({ say: text }));
  textField.value = "";
  textField.focus();
});

textField.addEventListener("keydown", event => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    say.requestSubmit();
  }
});

nameField.value = localStorage.getItem("name") || "";
nameField.focus();
