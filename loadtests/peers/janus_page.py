"""A page that plays a Janus mountpoint, with the same handle for `Watcher` as our player page has."""

from __future__ import annotations

from playwright.async_api import Browser

from loadtests.peers.janus import MOUNTPOINT
from loadtests.rig.browser import Watcher

# The WebSocket API, as `janus_signalling.py` speaks it. Janus drops a session that says nothing for a
# minute unless told otherwise, and ours tells it.
_PLAYER = """async ([url, mountpoint]) => {
    const video = document.createElement('video');
    Object.assign(video, {autoplay: true, muted: true, playsInline: true, width: 960});
    document.body.replaceChildren(video);
    const socket = new WebSocket(url, 'janus-protocol');
    await new Promise((resolve, reject) => { socket.onopen = resolve; socket.onerror = reject; });
    const replies = new Map();
    let offered;
    const offer = new Promise(resolve => { offered = resolve; });
    socket.onmessage = ({data}) => {
        const message = JSON.parse(data);
        if (message.janus === 'event' && message.jsep) offered(message.jsep);
        else replies.get(message.transaction)?.(message);
    };
    const ask = request => new Promise((resolve, reject) => {
        const transaction = String(replies.size + 1);
        replies.set(transaction, answer =>
            answer.janus === 'error' ? reject(new Error(JSON.stringify(answer.error))) : resolve(answer));
        socket.send(JSON.stringify({...request, transaction}));
    });
    const {data: {id: session_id}} = await ask({janus: 'create'});
    const attached = await ask({janus: 'attach', plugin: 'janus.plugin.streaming', session_id});
    const handle_id = attached.data.id;
    const message = (body, jsep) => ask({janus: 'message', session_id, handle_id, body, ...(jsep && {jsep})});
    await message({request: 'watch', id: mountpoint});
    const pc = new RTCPeerConnection({bundlePolicy: 'max-bundle'});
    window.streamerPlayer = {state: 'connecting', session: {pc}};
    video.srcObject = new MediaStream();
    pc.ontrack = ({track}) => video.srcObject.addTrack(track);
    await pc.setRemoteDescription(await offer);
    await pc.setLocalDescription(await pc.createAnswer());
    if (pc.iceGatheringState !== 'complete')
        await new Promise(resolve => {
            pc.onicegatheringstatechange = () => pc.iceGatheringState === 'complete' && resolve();
        });
    await message({request: 'start'}, pc.localDescription.toJSON());
}"""


async def open_janus_page(browser: Browser, url: str) -> Watcher:
    """Open a page that watches, as a new visitor.

    Args:
        browser: where.
        url: of Janus's WebSocket API.
    """
    watcher = Watcher(await (await browser.new_context()).new_page())
    await watcher.page.evaluate(_PLAYER, [url, MOUNTPOINT])
    return watcher
