/** Working offline, and the offer to install the page like an app. */

interface InstallPrompt extends Event {
  prompt(): Promise<unknown>;
}

/**
 * Register the service worker, where pages may have one: with https://, and on this machine. True
 * once it has every file; without it the page works as before, only not offline.
 */
export async function keepOffline(): Promise<boolean> {
  if (!("serviceWorker" in navigator)) return false;
  try {
    await navigator.serviceWorker.register(new URL("service-worker.js", document.baseURI));
    await navigator.serviceWorker.ready;
    return true;
  } catch (error) {
    console.warn(error);
    return false;
  }
}

/** Show the button once the browser says that the page can be installed. */
export function offerInstallation(button: HTMLButtonElement): void {
  let offer: InstallPrompt | undefined;
  window.addEventListener("beforeinstallprompt", (event) => {
    event.preventDefault();
    offer = event as InstallPrompt;
    button.hidden = false;
  });
  button.addEventListener("click", () => void offer?.prompt());
  window.addEventListener("appinstalled", () => {
    button.hidden = true;
  });
}
