package org.masklens.app;

import android.app.Activity;
import android.content.ActivityNotFoundException;
import android.content.ClipData;
import android.content.Intent;
import android.content.res.Configuration;
import android.net.Uri;
import android.os.Bundle;
import android.view.View;
import android.view.ViewGroup.LayoutParams;
import android.view.WindowManager;
import android.webkit.PermissionRequest;
import android.webkit.ValueCallback;
import android.webkit.WebChromeClient;
import android.webkit.WebSettings;
import android.webkit.WebView;
import android.widget.FrameLayout;
import android.widget.TextView;
import android.widget.Toast;
import java.io.IOException;

/**
 * The app's only screen: the page in a WebView that reaches nothing but the app's own files. What
 * the page cannot do itself goes through {@link PageBridge}, {@link CameraGate} and
 * {@link PicturePicker}.
 */
public final class MainActivity extends Activity {
    private final CameraGate camera = new CameraGate(this);
    private final PicturePicker pictures = new PicturePicker(this);
    private FileStore store;
    private FrameLayout root;
    private volatile PageClient client; // asked by the bridge's thread
    private WebView page; // null where there is no WebView

    @Override
    protected void onCreate(Bundle state) {
        super.onCreate(state);
        store = new FileStore(this);
        if (state == null) store.forgetLent();
        root = new FrameLayout(this);
        setContentView(root);
        open(AssetRouter.START, state);
    }

    /** Make a WebView and show the page in it. */
    private void open(String address, Bundle state) {
        try {
            page = new WebView(this);
        } catch (RuntimeException noWebView) {
            // Its class is hidden; being updated, disabled or removed all end here.
            showThatWebViewIsMissing();
            return;
        }
        page.setBackgroundColor(color(R.color.background));
        adjust(page.getSettings());
        client = new PageClient(this) {
            @Override
            void pageDied(WebView dead) {
                reopen();
            }
        };
        page.setWebViewClient(client);
        page.setWebChromeClient(new Chrome());
        page.addJavascriptInterface(new PageBridge(this), PageBridge.NAME);
        root.addView(page, LayoutParams.MATCH_PARENT, LayoutParams.MATCH_PARENT);
        if (state == null || page.restoreState(state) == null) page.loadUrl(address);
    }

    /** Begin again without the camera: if that is what took all memory, it would do so again. */
    private void reopen() {
        close();
        open(AssetRouter.ORIGIN + "/index.html", null);
    }

    private void close() {
        camera.close();
        pictures.close();
        keepScreenOn(false);
        if (page == null) return;
        root.removeView(page);
        page.destroy();
        page = null;
    }

    @SuppressWarnings("deprecation") // the two of files: false is the default only since Android 11
    private static void adjust(WebSettings settings) {
        settings.setJavaScriptEnabled(true);
        settings.setDomStorageEnabled(true);
        settings.setMediaPlaybackRequiresUserGesture(false); // the camera starts with the app
        settings.setAllowFileAccess(false);
        settings.setAllowContentAccess(false);
        settings.setAllowFileAccessFromFileURLs(false);
        settings.setAllowUniversalAccessFromFileURLs(false);
        settings.setGeolocationEnabled(false);
    }

    private void showThatWebViewIsMissing() {
        page = null;
        TextView text = new TextView(this);
        text.setText(R.string.no_webview);
        int space = Math.round(24 * getResources().getDisplayMetrics().density);
        text.setPadding(space, space, space, space);
        root.addView(text);
    }

    private int color(int id) {
        return getResources().getColor(id, getTheme());
    }

    // What Android tells the screen

    @Override
    protected void onStart() {
        super.onStart();
        if (page != null) page.onResume();
    }

    /** Not in onPause: beside another app's window, or under a dialog, the camera is still seen. */
    @Override
    protected void onStop() {
        if (page != null) page.onPause();
        super.onStop();
    }

    @Override
    protected void onDestroy() {
        close();
        super.onDestroy();
    }

    @Override
    protected void onSaveInstanceState(Bundle state) {
        super.onSaveInstanceState(state);
        if (page != null) page.saveState(state);
    }

    /** Rotated, resized, or between day and night: the page lives on, the colours follow. */
    @Override
    public void onConfigurationChanged(Configuration configuration) {
        getTheme().applyStyle(R.style.App, true);
        super.onConfigurationChanged(configuration);
        int background = color(R.color.background);
        getWindow().setBackgroundDrawableResource(R.color.background);
        getWindow().setStatusBarColor(background);
        boolean night = (configuration.uiMode & Configuration.UI_MODE_NIGHT_MASK) == Configuration.UI_MODE_NIGHT_YES;
        int light = View.SYSTEM_UI_FLAG_LIGHT_STATUS_BAR;
        int flags = getWindow().getDecorView().getSystemUiVisibility();
        getWindow().getDecorView().setSystemUiVisibility(night ? flags & ~light : flags | light);
        if (page != null) page.setBackgroundColor(background);
    }

    /** From the pictures to the camera, where the app began; from there it leaves. */
    @Override
    @SuppressWarnings("deprecation") // what replaces it needs Android 13
    public void onBackPressed() {
        if (page == null || AssetRouter.START.equals(page.getUrl())) super.onBackPressed();
        else page.evaluateJavascript("location.replace('" + AssetRouter.CAMERA + "')", null);
    }

    @Override
    public void onRequestPermissionsResult(int request, String[] permissions, int[] results) {
        if (request == CameraGate.REQUEST) camera.answered(results);
    }

    @Override
    protected void onActivityResult(int request, int result, Intent data) {
        if (request == PicturePicker.REQUEST) pictures.answered(result, data);
    }

    /** What WebView asks the app. */
    private final class Chrome extends WebChromeClient {
        @Override
        public void onPermissionRequest(PermissionRequest request) {
            camera.ask(request);
        }

        @Override
        public void onPermissionRequestCanceled(PermissionRequest request) {
            camera.cancel(request);
        }

        @Override
        public boolean onShowFileChooser(WebView view, ValueCallback<Uri[]> callback, FileChooserParams wish) {
            pictures.ask(callback, wish);
            return true;
        }
    }

    // What the bridge asks, on another thread. What fails is an IOException with a sentence

    /** Whether the page on the screen is the app's own. */
    boolean showsOwnPage() {
        return client.showsOwnPage();
    }

    void keep(KeptFile file) throws IOException {
        if (FileStore.hasSharedFolders()) {
            say(getString(R.string.saved_in, store.keep(file)));
        } else {
            offer(store.keepInApp(file), file.mime);
        }
    }

    void share(KeptFile file) throws IOException {
        offer(store.lend(file), file.mime);
    }

    /** Tell the person why nothing was kept or shared. */
    void complain(String reason) {
        say(getString(R.string.not_saved, reason));
    }

    void keepScreenOn(final boolean on) {
        runOnUiThread(
                new Runnable() {
                    @Override
                    public void run() {
                        int flag = WindowManager.LayoutParams.FLAG_KEEP_SCREEN_ON;
                        if (on) getWindow().addFlags(flag);
                        else getWindow().clearFlags(flag);
                    }
                });
    }

    private void offer(Uri file, String mime) {
        Intent send = new Intent(Intent.ACTION_SEND);
        send.setType(mime);
        send.putExtra(Intent.EXTRA_STREAM, file);
        send.addFlags(Intent.FLAG_GRANT_READ_URI_PERMISSION);
        // The grant goes with this, and the sheet shows a preview of it.
        send.setClipData(ClipData.newUri(getContentResolver(), null, file));
        try {
            startActivity(Intent.createChooser(send, getString(R.string.share_title)));
        } catch (ActivityNotFoundException noApp) {
            say(getString(R.string.no_app));
        }
    }

    private void say(final String sentence) {
        runOnUiThread(
                new Runnable() {
                    @Override
                    public void run() {
                        Toast.makeText(MainActivity.this, sentence, Toast.LENGTH_LONG).show();
                    }
                });
    }
}
