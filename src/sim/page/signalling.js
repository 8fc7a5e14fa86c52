// The way to the simulated core: JSON over a WebSocket, opened again when it breaks.

const AGAIN_MS = 1000;
let socket = null;

export function say(message) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

export function connect(on) {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  socket = new WebSocket(`${scheme}://${location.host}/signalling`);
  socket.onopen = on.up;
  socket.onmessage = (event) => on.message(JSON.parse(event.data));
  socket.onclose = () => {
    on.down();
    setTimeout(connect, AGAIN_MS, on);
  };
}
