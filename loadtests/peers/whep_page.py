"""A page that plays a stream over WHEP, with the same handle for `Watcher` as our player page has."""

from __future__ import annotations

from playwright.async_api import Browser
from yarl import URL

from loadtests.rig.browser import Watcher

# No more than a player needs, and nothing that a server's own page would do better: the browser repairs.
_PLAYER = """async url => {
    const video = document.createElement('video');
    Object.assign(video, {autoplay: true, muted: true, playsInline: true, width: 960});
    document.body.replaceChildren(video);
    const pc = new RTCPeerConnection({bundlePolicy: 'max-bundle'});
    window.streamerPlayer = {state: 'connecting', session: {pc}};
    video.srcObject = new MediaStream();
    pc.ontrack = ({track}) => video.srcObject.addTrack(track);
    for (const kind of ['video', 'audio']) pc.addTransceiver(kind, {direction: 'recvonly'});
    await pc.setLocalDescription(await pc.createOffer());
    if (pc.iceGatheringState !== 'complete')
        await new Promise(resolve => {
            pc.onicegatheringstatechange = () => pc.iceGatheringState === 'complete' && resolve();
        });
    const headers = {'Content-Type': 'application/sdp'};
    const answer = await fetch(url, {method: 'POST', headers, body: pc.localDescription.sdp});
    if (answer.status !== 201) throw new Error(`${answer.status} ${await answer.text()}`);
    await pc.setRemoteDescription({type: 'answer', sdp: await answer.text()});
}"""


async def open_whep_page(browser: Browser, url: str) -> Watcher:
    """Open a page that watches, as a new visitor.

    Args:
        browser: where.
        url: of the WHEP endpoint.
    """
    watcher = Watcher(await (await browser.new_context()).new_page())
    # A browser lets pages of other origins, or of none, fetch nothing from addresses such as these.
    await watcher.page.goto(str(URL(url).origin()))
    await watcher.page.evaluate(_PLAYER, url)
    return watcher
