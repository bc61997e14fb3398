package org.masklens.app;

import android.webkit.JavascriptInterface;
import java.io.IOException;

/**
 * What the page can ask of the app, as {@code window.masklensHost}: keep a file, share it, keep the
 * screen on. There is no torch here: the page switches it through its own camera track, and Android
 * refuses it to anybody else while the camera runs. Called on a thread of WebView's.
 */
public final class PageBridge {
    static final String NAME = "masklensHost";

    private final MainActivity app;

    PageBridge(MainActivity app) {
        this.app = app;
    }

    @JavascriptInterface
    public void save(String name, String mime, String base64) {
        hand(name, mime, base64, false);
    }

    @JavascriptInterface
    public void share(String name, String mime, String base64) {
        hand(name, mime, base64, true);
    }

    @JavascriptInterface
    public void keepScreenOn(boolean on) {
        checkPage();
        app.keepScreenOn(on);
    }

    /** What is thrown here reaches the page as an exception of its call. */
    private void hand(String name, String mime, String base64, boolean share) {
        checkPage();
        try {
            KeptFile file = KeptFile.of(name, mime, base64);
            if (share) app.share(file);
            else app.keep(file);
        } catch (IllegalArgumentException refused) {
            app.complain(refused.getMessage());
            throw refused;
        } catch (IOException failed) {
            app.complain(failed.getMessage());
            throw new IllegalStateException(failed);
        }
    }

    private void checkPage() {
        if (!app.showsOwnPage()) throw new SecurityException("not the app's own page");
    }
}
