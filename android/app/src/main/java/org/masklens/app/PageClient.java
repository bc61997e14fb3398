package org.masklens.app;

import android.annotation.TargetApi;
import android.content.ActivityNotFoundException;
import android.content.Context;
import android.content.Intent;
import android.graphics.Bitmap;
import android.net.Uri;
import android.webkit.RenderProcessGoneDetail;
import android.webkit.WebResourceRequest;
import android.webkit.WebResourceResponse;
import android.webkit.WebView;
import android.webkit.WebViewClient;
import java.io.IOException;
import java.io.InputStream;

/**
 * Keeps the WebView inside the app: every request is answered by the router, so that nothing of
 * another origin can be loaded; a link that leads out opens in the browser.
 */
class PageClient extends WebViewClient {
    private final Context context;
    private final AssetRouter router;
    private volatile boolean own = true;

    PageClient(final Context context) {
        this.context = context;
        this.router = new AssetRouter(
                new AssetRouter.Files() {
                    @Override
                    public InputStream open(String path) throws IOException {
                        return context.getAssets().open(path);
                    }
                });
    }

    /** Whether the page on the screen is the app's own. From any thread. */
    boolean showsOwnPage() {
        return own;
    }

    @Override
    public WebResourceResponse shouldInterceptRequest(WebView view, WebResourceRequest request) {
        String scheme = String.valueOf(request.getUrl().getScheme());
        // What the page made itself, and has in memory.
        if (scheme.equals("blob") || scheme.equals("data")) return null;
        AssetRouter.Answer answer = router.answer(request.getMethod(), request.getUrl().toString());
        return new WebResourceResponse(
                answer.mime, answer.encoding, answer.status, answer.reason, answer.headers, answer.content);
    }

    @Override
    @TargetApi(24)
    public boolean shouldOverrideUrlLoading(WebView view, WebResourceRequest request) {
        return leadsOut(request.getUrl(), request.hasGesture());
    }

    /** Android 6 asks here, and does not say whether the person tapped. */
    @Override
    @SuppressWarnings("deprecation")
    public boolean shouldOverrideUrlLoading(WebView view, String url) {
        return leadsOut(Uri.parse(url), true);
    }

    @Override
    public void onPageStarted(WebView view, String url, Bitmap icon) {
        own = AssetRouter.isOurs(url);
    }

    /** The page's process died, mostly for want of memory: the app need not die with it. */
    @Override
    @TargetApi(26)
    public boolean onRenderProcessGone(WebView view, RenderProcessGoneDetail detail) {
        pageDied(view);
        return true;
    }

    /** Called when a view can no longer be used. */
    void pageDied(WebView view) {}

    private boolean leadsOut(Uri url, boolean tapped) {
        if (AssetRouter.isOurs(url.toString())) return false;
        if (tapped && "https".equals(url.getScheme())) {
            try {
                context.startActivity(new Intent(Intent.ACTION_VIEW, url).addCategory(Intent.CATEGORY_BROWSABLE));
            } catch (ActivityNotFoundException noBrowser) {
                // Nothing opens; the page stays.
            }
        }
        return true;
    }
}
