/** What the two playlists of a stream say (RFC 8216 section 4, 8216bis section 4.4), as far as a live player asks. */

/**
 * @typedef {object} Part
 * @property {number} segment number of its segment
 * @property {number} part place in that
 * @property {string} uri
 * @property {string} header URI of the header that it needs
 * @property {boolean} isIndependent a picture can be begun with
 */

/** @returns {{uri: string, codecs: string}} of the first variant */
export function parseIndex(text) {
  const lines = text.split(/\r?\n/);
  const at = lines.findIndex((line) => line.startsWith("#EXT-X-STREAM-INF:"));
  return { uri: lines[at + 1] ?? "", codecs: attribute(lines[at] ?? "", "CODECS") };
}

/** @returns {{parts: Part[], holdBackS: number, isOver: boolean}} */
export function parsePlaylist(text) {
  const parts = [];
  let segment = 0;
  let header = "";
  let part = 0;
  let holdBackS = 1.5;
  let isOver = false;
  for (const line of text.split(/\r?\n/)) {
    if (line.startsWith("#EXT-X-MEDIA-SEQUENCE:")) segment = Number(line.split(":")[1]);
    else if (line.startsWith("#EXT-X-SERVER-CONTROL:")) holdBackS = Number(attribute(line, "PART-HOLD-BACK")) || holdBackS;
    else if (line.startsWith("#EXT-X-MAP:")) header = attribute(line, "URI");
    else if (line.startsWith("#EXT-X-PART:")) {
      parts.push({ segment, part, uri: attribute(line, "URI"), header, isIndependent: attribute(line, "INDEPENDENT") === "YES" });
      part += 1;
    } else if (line === "#EXT-X-ENDLIST") isOver = true;
    else if (line && !line.startsWith("#")) {
      segment += 1;
      part = 0;
    }
  }
  return { parts, holdBackS, isOver };
}

function attribute(line, name) {
  const found = new RegExp(`[:,]${name}=(?:"([^"]*)"|([^,]*))`).exec(line);
  return found?.[1] ?? found?.[2] ?? "";
}
