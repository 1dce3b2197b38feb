/** What the page of relays asks the server. */

import { Asker } from "./asker.js";

export class RelayApi extends Asker {
  relays() {
    return this.ask("GET", "/api/v1/relays");
  }

  destinations() {
    return this.ask("GET", "/api/v1/destinations");
  }

  /** @returns {Promise<object[]>} connected accounts, none where nobody may see any */
  async connections() {
    try {
      return (await this.ask("GET", "/api/v1/connections")).connections;
    } catch {
      return [];
    }
  }

  start(id) {
    return this.ask("POST", `/api/v1/relays/${encodeURIComponent(id)}/start`);
  }

  stop(id) {
    return this.ask("POST", `/api/v1/relays/${encodeURIComponent(id)}/stop`);
  }

  add(destination) {
    return this.ask("POST", "/api/v1/destinations", destination);
  }

  change(id, destination) {
    return this.ask("PATCH", `/api/v1/destinations/${encodeURIComponent(id)}`, destination);
  }

  remove(id) {
    return this.ask("DELETE", `/api/v1/destinations/${encodeURIComponent(id)}`);
  }
}
